/** The weft command as a real process: its events, its exit, and a kill that leaves nothing behind. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { createInterface } from "node:readline";

export interface WeftEvent {
  readonly event: string;
  readonly [field: string]: unknown;
}

const root = fileURLToPath(new URL("../..", import.meta.url));
const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const main = fileURLToPath(new URL("../../packages/weft/src/main.ts", import.meta.url));
const command = ["--conditions=weft-source", "--import", import.meta.resolve("tsx"), main];

export class WeftProcess {
  readonly child: ChildProcess;
  readonly events: WeftEvent[] = [];
  /** Everything on standard error, and lines of standard output that are not JSON. */
  text = "";
  readonly exited: Promise<number | null>;
  private waiters: (() => void)[] = [];
  private ended = false;

  constructor(args: readonly string[], options: { env?: Record<string, string>; cwd?: string } = {}) {
    this.child = spawn(node, [...command, ...args], {
      cwd: options.cwd ?? root,
      env: { ...process.env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    running.add(this);
    createInterface({ input: this.child.stdout! }).on("line", (line) => this.take(line));
    this.child.stderr?.on("data", (data: Buffer) => (this.text += data.toString()));
    this.exited = new Promise((resolve) =>
      this.child.once("close", (code) => {
        this.ended = true;
        running.delete(this);
        this.wake();
        resolve(code);
      }),
    );
  }

  /** The first event that fits, past or future. */
  async until(wanted: (event: WeftEvent) => boolean, what = "the event"): Promise<WeftEvent> {
    for (;;) {
      const found = this.events.find(wanted);
      if (found) return found;
      if (this.ended) throw new Error(`the process ended before ${what}:\n${this.text}`);
      await new Promise<void>((resolve) => this.waiters.push(resolve));
    }
  }

  untilEvent(name: string): Promise<WeftEvent> {
    return this.until(({ event }) => event === name, name);
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    this.child.kill(signal);
    await this.exited;
  }

  private take(line: string): void {
    try {
      this.events.push(JSON.parse(line) as WeftEvent);
    } catch {
      this.text += `${line}\n`;
    }
    this.wake();
  }

  private wake(): void {
    const waiters = this.waiters;
    this.waiters = [];
    for (const waiter of waiters) waiter();
  }
}

const running = new Set<WeftProcess>();

/** For `afterEach`: ends whatever a failed test left. */
export async function killAll(): Promise<void> {
  await Promise.all([...running].map((process) => process.kill("SIGKILL")));
}
