/** The body of a request to start a run: which of the known jobs, and what is to be otherwise than it says. */
import * as z from "zod";
import type { Changes } from "../round/state.ts";
import { changeFields, changeForms, parseBody } from "./changesBody.ts";

export interface StartRequest {
  /** Name of a job that the host was given. */
  readonly job: string;
  /** Rounds start when so many workers are ready; default as for the host's other runs. */
  readonly expectedWorkers: number | undefined;
  readonly changes: Changes;
}

const startSchema = z.strictObject({
  job: z.string().min(1).max(200),
  expectedWorkers: z.int().min(1).max(1_000_000).optional(),
  ...changeFields,
});

const forms = { job: "a job's name", expectedWorkers: "a whole number from 1", ...changeForms };

/** @throws {ApiError} */
export function parseStart(body: string): StartRequest {
  const { job, expectedWorkers, ...changes } = parseBody(body, startSchema, { forms, example: '{"job": "mnist"}' });
  return { job, expectedWorkers, changes };
}
