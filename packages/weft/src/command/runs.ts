/** `weft runs`: what is stored, newest first. */
import { listRuns } from "@weft/coordinator";
import { Command } from "commander";
import type { Finish } from "./exitCodes.ts";
import { exitCodes } from "./exitCodes.ts";
import { jsonOption, runsOption } from "./options.ts";
import { createOutput } from "./output.ts";
import { metricsText } from "./runProgress.ts";
