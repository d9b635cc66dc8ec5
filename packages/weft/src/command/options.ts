/** Options that commands share, and the parsing of their values. */
import { randomBytes } from "node:crypto";
import type { ListenOptions } from "@weft/coordinator";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";
import { UsageError } from "../errors.ts";
import { operatorTokenOption, readPem } from "./control.ts";
import type { Address } from "./runSource.ts";

export const runsOption = () => new Option("--runs <dir>", "where runs are kept").default("runs");
export const jsonOption = () => new Option("--json", "one JSON object a line, for programs").default(false);
export const tokenOption = () => new Option("--token <token>", "what workers must present").env("WEFT_TOKEN");
const portOption = () =>
  new Option("--port <port>", "port to listen on; 0 takes a free one").argParser(wholeNumber(0, 65535));
const hostOption = () => new Option("--host <address>", "address to listen on; beyond this machine it needs --token");
const openOption = () => new Option("--open", "accept any worker from other machines, without a token").default(false);
export const workersOption = (description: string) =>
  new Option("--workers <count>", description).argParser(wholeNumber(1, 100_000));
export const processesOption = () =>
  new Option("--processes <count>", "processes that host the workers (default: one each)").argParser(
    wholeNumber(1, 10_000),
  );

const thisMachine = "127.0.0.1";

/**
 * Options of every command that hosts a coordinator.
 *
 * @param defaultPort "before": where the run was to be found when it was hosted last
 */
export function addHostOptions(command: Command, { defaultPort }: { defaultPort: number | "before" }): Command {
  const isBefore = defaultPort === "before";
  return command
    .addOption(runsOption())
    .addOption(isBefore ? portOption().default(undefined, "as before") : portOption().default(defaultPort))
    .addOption(isBefore ? hostOption().default(undefined, "as before") : hostOption().default(thisMachine))
    .addOption(tokenOption())
    .addOption(openOption())
    .addOption(operatorTokenOption("what may steer the runs (default: one is made)"))
    .addOption(new Option("--viewer-token <token>", "what may look at runs and metrics").env("WEFT_VIEWER_TOKEN"))
    .option("--tls-cert <file>", "certificate chain in PEM: wss:// and https:// instead of ws:// and http://")
    .option("--tls-key <file>", "its key in PEM")
    .option("--allow-origin <origin>", "pages of this origin may connect; may be given several times", collected)
    .addOption(
      new Option(
        "--durability <kind>",
        "what a round survives: a killed process, or a power cut too (default: process, or as before)",
      ) //
        .choices(["process", "power"]),
    )
    .option("--max-connections <count>", "WebSockets at once (default: 1024)", wholeNumber(1, 1e6))
    .addOption(jsonOption());
}

/** What `addHostOptions` parses to. */
export interface HostFlags {
  readonly runs: string;
  readonly host?: string;
  readonly port?: number;
  readonly token?: string;
  readonly open: boolean;
  readonly operatorToken?: string;
  readonly viewerToken?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly allowOrigin?: readonly string[];
  readonly maxConnections?: number;
  readonly durability?: "process" | "power";
  readonly json: boolean;
}

/** For an option that may be given several times. */
export const collected = (value: string, before: readonly string[] = []) => [...before, value];

export const threadsOption = () =>
  new Option("--threads <count>", "threads that compute (default: one for each core)").argParser(wholeNumber(1, 256));

/** A parser of whole numbers within bounds, for commander. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most) {
      throw new InvalidArgumentError(`expected a whole number from ${least} to ${most}.`);
    }
    return value;
  };
}

/** How a command listens: the coordinator's options, and what it tells others of them. */
export interface Listening {
  readonly options: ListenOptions;
  readonly operatorToken: string;
  /** Certificate file that workers started here are to trust. */
  readonly ca: string | undefined;
}

/** The port of a coordinator whose workers come from elsewhere. */
export const usualPort = 7700;

/**
 * @param before where there is nothing else said of it
 * @throws {UsageError} for a certificate without its key, or files that cannot be read
 */
export function listening(flags: HostFlags, before: Partial<Address> = {}): Listening {
  const {
    host = before.host ?? thisMachine,
    port = before.port ?? usualPort,
    token,
    open,
    viewerToken,
    tlsCert,
    tlsKey,
    allowOrigin,
    maxConnections,
  } = flags;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    throw new UsageError("--tls-cert and --tls-key belong together; give both, or neither");
  }
  const operatorToken = flags.operatorToken ?? randomBytes(16).toString("hex");
  const viewer = viewerToken === undefined ? [] : [{ token: viewerToken, role: "viewer" as const }];
  const tls =
    tlsCert === undefined || tlsKey === undefined ? undefined : { cert: readPem(tlsCert), key: readPem(tlsKey) };
  return {
    operatorToken,
    ca: tlsCert,
    options: {
      ...{ host, port, token, tls, maxConnections },
      allowOpen: open,
      tokens: [{ token: operatorToken, role: "operator" }, ...viewer],
      allowedOrigins: allowOrigin,
    },
  };
}
