/** Options that commands share, and the parsing of their values. */
import type { ListenOptions } from "@weft/coordinator";
import type { Command } from "commander";
import { InvalidArgumentError, Option } from "commander";

export const runsOption = () => new Option("--runs <dir>", "where runs are kept").default("runs");
export const jsonOption = () => new Option("--json", "one JSON object a line, for programs").default(false);
export const tokenOption = () => new Option("--token <token>", "what workers must present").env("WEFT_TOKEN");
const portOption = () =>
  new Option("--port <port>", "port to listen on; 0 takes a free one").argParser(wholeNumber(0, 65535));
const hostOption = () =>
  new Option("--host <address>", "address to listen on; beyond this machine it needs --token").default("127.0.0.1");
const openOption = () => new Option("--open", "accept any worker from other machines, without a token").default(false);
export const workersOption = (description: string) =>
  new Option("--workers <count>", description).argParser(wholeNumber(1, 100_000));
export const processesOption = () =>
  new Option("--processes <count>", "processes that host the workers (default: one each)").argParser(
    wholeNumber(1, 10_000),
  );

/** Options of every command that hosts a coordinator. */
export function addHostOptions(command: Command, { defaultPort }: { defaultPort: number }): Command {
  return command
    .addOption(runsOption())
    .addOption(portOption().default(defaultPort))
    .addOption(hostOption())
    .addOption(tokenOption())
    .addOption(openOption())
    .addOption(jsonOption());
}

/** What `addHostOptions` parses to. */
export interface HostFlags {
  readonly runs: string;
  readonly host: string;
  readonly port: number;
  readonly token?: string;
  readonly open: boolean;
  readonly json: boolean;
}
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

export function listenOptions({ host, port, token, open }: HostFlags): ListenOptions {
  return { host, port, token, allowOpen: open };
}
