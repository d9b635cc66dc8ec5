/** A script of this repository as a process that tells what it does as JSON lines on stdout. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface Line {
  readonly event: string;
  readonly [field: string]: unknown;
}

const node = fileURLToPath(new URL("../../../node_modules/.bin/node", import.meta.url));

/** From source, or with WEFT_BUILT set what it was compiled to, as users have it. */
const conditions = process.env["WEFT_BUILT"] === undefined ? ["--conditions=weft-source"] : [];

export class LineProcess {
  readonly child: ChildProcess;
  readonly lines: Line[] = [];
  readonly exited: Promise<number | null>;
  #text = "";
  #ended = false;
  #waiters: (() => void)[] = [];

  /** @param script beside this file */
  constructor(script: string, options: object) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    const args = [
      "--expose-gc",
      // As the coordinator's README advises where memory counts.
      "--max-semi-space-size=4",
      "--heap-growing-percent=40",
      ...conditions,
      "--import",
      import.meta.resolve("tsx"),
      path,
      JSON.stringify(options),
    ];
    this.child = spawn(node, args, { stdio: ["ignore", "pipe", "pipe"] });
    running.add(this);
    createInterface({ input: this.child.stdout! }).on("line", (line) => {
      this.lines.push(JSON.parse(line) as Line);
      this.#wake();
    });
    this.child.stderr?.on("data", (data: Buffer) => (this.#text += data.toString()));
    this.exited = new Promise((resolve) =>
      this.child.once("close", (code) => {
        this.#ended = true;
        running.delete(this);
        this.#wake();
        resolve(code);
      }),
    );
  }

  /** Lines of that event so far. */
  of(event: string): Line[] {
    return this.lines.filter((line) => line.event === event);
  }

  /** The first line that fits, past or future. */
  async until(event: string, fits: (line: Line) => boolean = () => true): Promise<Line> {
    for (;;) {
      const found = this.lines.find((line) => line.event === event && fits(line));
      if (found !== undefined) return found;
      if (this.#ended) throw new Error(`the process ended before "${event}":\n${this.#text}`);
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
  }

  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    this.child.kill(signal);
    if (signal === "SIGKILL") await this.exited;
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) waiter();
  }
}

const running = new Set<LineProcess>();

/** Ends whatever is left. */
export async function killAllLines(): Promise<void> {
  await Promise.all([...running].map((process) => process.kill()));
}
