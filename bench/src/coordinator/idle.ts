/** What connections cost while nothing is to be done: live bytes and processor time at either end, beside plain WebSockets. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { type BenchOptions, type Figure, threeDigits } from "../figure.ts";
import type { IdleReport, IdleRequest, IdleRole } from "./idleEnd.ts";

const connections = 1000;
/** Made before, so that what the first ones bring along (compiled code, tables) is counted with none. */
const first = 300;

export async function* idle({ filter }: BenchOptions): AsyncIterable<Figure> {
  if (!"idle".includes(filter)) return;
  const [ours, theirs] = [await costs("coordinator", "workers"), await costs("plain server", "plain clients")];
  for (const [end, name] of [
    ["listening", "coordinator's"],
    ["connecting", "worker's"],
  ] as const) {
    yield {
      name: `idle, live bytes of a connection at the ${name} end`,
      value: threeDigits(ours[end].bytes),
      unit: "B",
      vs: "a WebSocket of ws that does nothing",
      ratio: threeDigits(theirs[end].bytes / ours[end].bytes),
    };
    yield {
      name: `idle, processor time of a connection at the ${name} end`,
      value: threeDigits(ours[end].cpuMicrosPerSecond),
      unit: "µs/s",
      vs: "one that is busy all the time",
      ratio: threeDigits(1e6 / ours[end].cpuMicrosPerSecond),
    };
  }
}

interface Cost {
  readonly bytes: number;
  readonly cpuMicrosPerSecond: number;
}

/** Of each connection, from two states of both ends that differ by `connections`. */
async function costs(listening: IdleRole, connecting: IdleRole): Promise<{ listening: Cost; connecting: Cost }> {
  const [server, clients] = [new End(listening), new End(connecting)];
  try {
    const [url] = await Promise.all([server.said<string>(), clients.said()]);
    const at = async (more: number) => {
      const connected = await clients.ask({ more, url });
      return { listening: await server.ask({ more: 0, url }), connecting: connected };
    };
    const [before, after] = [await at(first), await at(connections)];
    const cost = (end: "listening" | "connecting"): Cost => ({
      bytes: (after[end].liveBytes - before[end].liveBytes) / connections,
      cpuMicrosPerSecond: (1000 * (after[end].cpuMsPerSecond - before[end].cpuMsPerSecond)) / connections,
    });
    return { listening: cost("listening"), connecting: cost("connecting") };
  } finally {
    server.close();
    clients.close();
  }
}

class End {
  readonly #child: ChildProcess;

  constructor(role: IdleRole) {
    const execArgv = ["--conditions=weft-source", "--import", import.meta.resolve("tsx"), "--expose-gc"];
    this.#child = fork(fileURLToPath(new URL("idleEnd.ts", import.meta.url)), [role], { execArgv });
  }

  said<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => {
        reject(new Error(`bench: an idle end ended with code ${code ?? "none"}`));
      };
      this.#child.once("exit", onExit);
      this.#child.once("message", (message) => {
        this.#child.off("exit", onExit);
        resolve(message as T);
      });
    });
  }

  async ask(request: IdleRequest): Promise<IdleReport> {
    const answer = this.said<IdleReport>();
    this.#child.send(request);
    return answer;
  }

  close(): void {
    this.#child.disconnect();
  }
}
