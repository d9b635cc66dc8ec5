/** How a command reaches the coordinator of a run: by the note it leaves beside the run, or by an address and a token. */
import { readFileSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
import { join, resolve } from "node:path";
import type { RunReport } from "@weft/coordinator";
import { openRun, RunError, StoreError } from "@weft/coordinator";
import { ConnectionError } from "@weft/transport";
import { Option } from "commander";
import { AccessError, UsageError } from "../errors.ts";

/** Where the API of a coordinator is, and what to present there. */
export interface Control {
  /** http:// or https://, without a path. */
  readonly url: string;
  readonly token: string;
  /** Path of a certificate to trust. */
  readonly ca?: string;
}

const controlFile = "control.json";

/** Only whoever started the coordinator may read it, for it holds the operator's token. */
export async function leaveControl(directory: string, control: Control): Promise<void> {
  const { ca } = control;
  const note = { ...control, ...(ca === undefined ? {} : { ca: resolve(ca) }) };
  await writeFile(join(directory, controlFile), `${JSON.stringify(note, null, 2)}\n`, { mode: 0o600 });
}

export async function removeControl(directory: string): Promise<void> {
  await rm(join(directory, controlFile), { force: true });
}

/** Of a stored run that a coordinator holds; undefined where none left a note. */
export function controlOf(directory: string): Control | undefined {
  try {
    return JSON.parse(readFileSync(join(directory, controlFile), "utf8")) as Control;
  } catch {
    return undefined;
  }
}

export interface ControlFlags {
  readonly runs: string;
  readonly url?: string;
  readonly operatorToken?: string;
  readonly ca?: string;
}

export const urlOption = () =>
  new Option("--url <url>", "address of a coordinator elsewhere, such as https://HOST:7700");
export const operatorTokenOption = (description: string) =>
  new Option("--operator-token <token>", description).env("WEFT_OPERATOR_TOKEN");
export const caOption = () => new Option("--ca <file>", "certificate to trust, in PEM");

/**
 * Whom to ask about a run, and by what id.
 *
 * @throws {UsageError | RunError} when nobody holds it
 */
export function findControl(run: string, flags: ControlFlags): { readonly control: Control; readonly run: string } {
  const { url, operatorToken, ca } = flags;
  if (url !== undefined) {
    if (operatorToken === undefined) {
      throw new UsageError("--url needs --operator-token, as `weft serve` printed it (or WEFT_OPERATOR_TOKEN)");
    }
    return { run, control: { url: httpUrl(url), token: operatorToken, ...(ca === undefined ? {} : { ca }) } };
  }
  const { summary, directory } = openRun(flags.runs, run);
  const control = controlOf(directory);
  if (summary.status === "finished") {
    throw new RunError(
      `run ${summary.run} is finished: there is nothing left to steer; measure it with: weft eval ${run}`,
    );
  }
  if (summary.status !== "running" || control === undefined) {
    throw new RunError(
      `run ${summary.run} is ${summary.status}: no coordinator holds it; go on with: weft resume ${run}`,
    );
  }
  return { run: summary.run, control };
}

export function httpUrl(text: string): string {
  const url = URL.parse(text.replace(/^ws/, "http"));
  if (url?.protocol === "http:" || url?.protocol === "https:") return url.origin;
  throw new UsageError(`--url: an address like https://HOST:7700 expected, got ${text}`);
}

export interface ApiCall {
  readonly method: "GET" | "POST" | "PATCH";
  readonly path: string;
  readonly body?: object;
}

const answerMs = 10_000;

/** @throws {ConnectionError | UsageError | RunError | StoreError | AccessError} saying what went wrong */
export async function callApi(control: Control, call: ApiCall): Promise<unknown> {
  const { status, text } = await exchange(control, call);
  let answer: unknown;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new ConnectionError("http", `${control.url}: no coordinator's API answers there (status ${status})`);
  }
  if (status < 300) return answer;
  const message = (answer as { error?: { message?: unknown } }).error?.message;
  const reason = typeof message === "string" ? message : `the coordinator answered with status ${status}`;
  if (status === 401 || status === 403) throw new AccessError(reason);
  if (status === 404) throw new RunError(reason);
  if (status === 503) throw new StoreError(reason);
  throw status < 500 ? new UsageError(reason) : new ConnectionError("http", reason);
}

/** Steers a run, or asks where it stands. */
export async function callRun(
  control: Control,
  run: string,
  call: Omit<ApiCall, "path"> & { readonly action?: string },
) {
  const { action, ...rest } = call;
  const path = `/api/runs/${encodeURIComponent(run)}${action === undefined ? "" : `/${action}`}`;
  return (await callApi(control, { ...rest, path })) as RunReport;
}

function exchange(control: Control, call: ApiCall): Promise<{ readonly status: number; readonly text: string }> {
  const { url, token, ca } = control;
  const send = url.startsWith("https:") ? httpsRequest : httpRequest;
  const body = call.body === undefined ? undefined : JSON.stringify(call.body);
  const headers = {
    authorization: `Bearer ${token}`,
    ...(body === undefined ? {} : { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
  };
  const options = { method: call.method, headers, timeout: answerMs, ...(ca === undefined ? {} : { ca: readPem(ca) }) };
  return new Promise((resolve, reject) => {
    const fail = (error: Error) => {
      reject(new ConnectionError("unreachable", `${url}: no coordinator answers (${error.message})`, { cause: error }));
    };
    const request = send(`${url}${call.path}`, options, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (part: string) => (text += part));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, text }));
      response.on("error", fail);
    });
    request.on("error", fail);
    request.on("timeout", () => request.destroy(new Error("no answer in time")));
    request.end(body);
  });
}

/** @throws {UsageError} when it cannot be read */
export function readPem(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new UsageError(`cannot read ${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
