/** Programs as data to send, to read and to weigh; an export of its own: `@weft/tensor/programs`. */
export { encode, programVersion } from "./encode.ts";
export { decode } from "./decode.ts";
export type { DecodeLimits } from "./decode.ts";
export { describe } from "./describe.ts";
export { describeSchedule } from "./schedule/describe.ts";
export { cost } from "./cost.ts";
export type { Cost } from "./cost.ts";
