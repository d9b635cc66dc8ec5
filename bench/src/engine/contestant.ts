/** One engine under one setting, in a process of its own. */
import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Reply, Request } from "./serve.ts";

export interface Setting {
  /** Settings of one product are alternatives, of which the fastest counts. */
  readonly product: string;
  /** How it is set: `1 thread`. */
  readonly setting: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

type ReplyOf<K extends Reply["kind"]> = Extract<Reply, { kind: K }>;

/** Must be closed. */
export class Contestant {
  readonly setting: Setting;
  /** The engine's own name and version. */
  readonly name: string;
  readonly importMs: number;
  readonly #child: ChildProcess;
  readonly #replies: AsyncIterator<Reply>;

  /** @throws {Error} when the process ends instead of saying that it is ready */
  static async start(setting: Setting): Promise<Contestant> {
    const child = spawn(setting.command, setting.args, {
      env: { ...process.env, ...setting.env },
      stdio: ["pipe", "pipe", "inherit"],
    });
    // A child that cannot start, or has ended, shows in its replies.
    child.on("error", () => undefined);
    const replies = repliesOf(child);
    return new Contestant(setting, child, replies, await expectReply(replies, "ready"));
  }

  private constructor(
    setting: Setting,
    child: ChildProcess,
    replies: AsyncIterator<Reply>,
    { name, importMs }: ReplyOf<"ready">,
  ) {
    this.setting = setting;
    this.name = name;
    this.importMs = importMs;
    this.#child = child;
    this.#replies = replies;
  }

  load(request: Omit<Extract<Request, { kind: "load" }>, "kind">): Promise<ReplyOf<"loaded">> {
    return this.#ask({ kind: "load", ...request }, "loaded");
  }

  run(count: number): Promise<ReplyOf<"ran">> {
    return this.#ask({ kind: "run", count }, "ran");
  }

  async peakMegabytes(): Promise<number> {
    return (await this.#ask({ kind: "peak" }, "peak")).megabytes;
  }

  close(): void {
    this.#child.stdin?.end();
    this.#child.kill();
  }

  #ask<K extends Reply["kind"]>(request: Request, kind: K): Promise<ReplyOf<K>> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    return expectReply(this.#replies, kind);
  }
}

async function expectReply<K extends Reply["kind"]>(replies: AsyncIterator<Reply>, kind: K): Promise<ReplyOf<K>> {
  const next = await replies.next();
  if (next.done === true) throw new Error("its process ended");
  const reply: Reply = next.value;
  if (reply.kind === "failed") throw new Error(reply.message);
  if (reply.kind !== kind) throw new Error(`it answered ${reply.kind} instead of ${kind}`);
  return reply as ReplyOf<K>;
}

async function* repliesOf({ stdout, stdin }: ChildProcess): AsyncGenerator<Reply> {
  if (!stdout || !stdin) throw new Error("the child was given pipes");
  stdin.on("error", () => undefined);
  for await (const line of createInterface(stdout)) {
    if (line.startsWith('{"kind"')) yield JSON.parse(line) as Reply;
    else process.stderr.write(`  ${line}\n`);
  }
}
