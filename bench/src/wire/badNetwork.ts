/**
 * The wire over a bad link: 200 ms there and back, 1 % of packets lost, 5 Mbit/s, between two network namespaces. A transfer
 * beside a plain TCP stream; then a run whose connections are reset at random, each transfer of which goes on where it broke.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Figure, median, threeDigits } from "../figure.ts";

const streamSeconds = 40;
const settlingSeconds = 5;
const rounds = 4;
const payloadBytes = 600_000;
/** Between two resets. */
const calmMs = { least: 3000, most: 7000 };
const names = ["weft-bench-a", "weft-bench-b"] as const;
const script = (file: string) => fileURLToPath(new URL(file, import.meta.url));

export async function* badNetwork({ rounds: turns = 3 }: { rounds: number | undefined }): AsyncGenerator<Figure> {
  if (process.getuid?.() !== 0) {
    process.stderr.write("  bad-network is left out: its network namespaces need root\n");
    return;
  }
  const children: ChildProcess[] = [];
  const start = (command: string, ...args: string[]) => {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    children.push(child);
    return {
      child,
      last: lastLine(child),
      exited: new Promise<number | null>((resolve) => child.once("exit", resolve)),
    };
  };
  const within = (name: string, ...args: string[]) =>
    start("ip", "netns", "exec", name, process.execPath, ...process.execArgv, script("badNetworkEnd.ts"), ...args);
  const link = start("python3", script("badLink.py"), ...names, "100", "0.01", "5", "7700");
  try {
    await link.last.changed();
    const coordinator = within(names[0], "coordinator", String(rounds));
    await coordinator.last.changed();
    yield await besidePlainStream(coordinator.last, () => within(names[1], "stream"), turns);
    const worker = within(names[1], "worker");
    const stopCutting = cutNowAndThen(() => link.child.stdin.write("cut\n"));
    const code = await worker.exited;
    stopCutting();
    if (code !== 0) throw new Error("bench: the worker on the bad network did not see its run to the end");
    await coordinator.exited;
    yield* runFigures(coordinator.last.figures(), worker.last.figures());
  } finally {
    for (const child of children.slice(1)) child.kill();
    link.child.stdin.end();
    await link.exited;
  }
}

type Figures = Readonly<Record<string, number>>;

/** The newest line that a child has said. */
function lastLine(child: ChildProcess) {
  let line = "";
  let wake: (() => void) | undefined;
  if (child.stdout === null) throw new Error("the child has no standard output");
  createInterface({ input: child.stdout }).on("line", (said) => {
    line = said;
    wake?.();
  });
  return {
    figures: () => JSON.parse(line) as Figures,
    changed: () => new Promise<void>((resolve) => (wake = resolve)),
  };
}

/** Both are counted from when both are under way until they are told to end: how either begins and ends is not its throughput. */
async function besidePlainStream(
  coordinator: ReturnType<typeof lastLine>,
  startStream: () => { readonly child: ChildProcess; readonly exited: Promise<unknown> },
  turns: number,
): Promise<Figure> {
  const taken: { readonly ours: number; readonly plain: number }[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const begun = coordinator.figures();
    const since = (from: Figures, name: string) => (coordinator.figures()[name] ?? 0) - (from[name] ?? 0);
    const stream = startStream();
    while (since(begun, "ours") === 0 || since(begun, "plain") === 0) await coordinator.changed();
    await setTimeout(1000 * settlingSeconds);
    const before = coordinator.figures();
    await setTimeout(1000 * streamSeconds);
    taken.push({ ours: since(before, "ours"), plain: since(before, "plain") });
    stream.child.kill("SIGKILL");
    await stream.exited;
    // What is left in the kernel's buffers is not to be in the way of the next.
    for (let last = coordinator.figures(); ; last = coordinator.figures()) {
      await setTimeout(3000);
      if (since(last, "ours") + since(last, "plain") === 0) break;
    }
  }
  const all = (way: "ours" | "plain") => taken.reduce((sum, each) => sum + each[way], 0);
  return {
    name: "bad network, up, between cuts",
    value: threeDigits(median(taken.map(({ ours }) => (8 * ours) / streamSeconds / 1e6))),
    unit: "Mbit/s",
    vs: "a plain TCP stream beside it on the same link",
    ratio: threeDigits(all("ours") / all("plain")),
  };
}

function cutNowAndThen(cut: () => void): () => void {
  let isOver = false;
  const goOn = async () => {
    for (;;) {
      await setTimeout(calmMs.least + Math.random() * (calmMs.most - calmMs.least), undefined, { ref: false });
      if (isOver) return;
      cut();
    }
  };
  void goOn();
  return () => {
    isOver = true;
  };
}

function* runFigures(run: Figures, worker: Figures): Generator<Figure> {
  const { rounds: done = 0, bytesUp = 0, bytesDown = 0 } = run;
  const { connections = 0, up = 0, down = 0 } = worker;
  process.stderr.write(`  ${done} rounds over ${connections} connections; gone on with: ${up} up, ${down} down\n`);
  const vs = "its updates' own bytes, each sent once";
  yield share("bad network, bytes up of a run cut at random", bytesUp, { needed: done * payloadBytes, vs });
  const vsDown = "its versions' own bytes, each sent once";
  yield share("bad network, bytes down of a run cut at random", bytesDown, { needed: done * payloadBytes, vs: vsDown });
}

const share = (name: string, bytes: number, { needed, vs }: { needed: number; vs: string }): Figure => ({
  name,
  value: threeDigits(bytes / 1e6),
  unit: "MB",
  vs,
  ratio: threeDigits(needed / bytes),
});
