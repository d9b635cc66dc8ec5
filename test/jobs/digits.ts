/** 400 rounds on the digits: long enough to join, leave and be killed in. */
import { digitsJob } from "../support/digitsJob.ts";

export default digitsJob({ stop: { rounds: 400 } });
