/**
 * The wire over a bad link: 200 ms there and back, 1 % of packets lost, 5 Mbit/s, between two network namespaces. A transfer
 * beside a plain TCP stream; then a run whose connections are reset at random, each transfer of which goes on where it broke.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type Figure, median, threeDigits } from "../figure.ts";

const streamSeconds = 40;
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
    yield await besidePlainStream(coordinator.last, () => within(names[1], "stream", String(streamSeconds)), turns);
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

async function besidePlainStream(
  coordinator: ReturnType<typeof lastLine>,
  startStream: () => { readonly exited: Promise<unknown> },
  turns: number,
): Promise<Figure> {
  const taken: { readonly ours: number; readonly plain: number }[] = [];
  for (let turn = 0; turn < turns; turn++) {
    const before = coordinator.figures();
    await startStream().exited;
    const after = coordinator.figures();
    const since = (name: string) => (after[name] ?? 0) - (before[name] ?? 0);
    taken.push({ ours: since("ours"), plain: since("plain") });
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
  let timer: NodeJS.Timeout;
  const next = () => {
    timer = setTimeout(
      () => {
        cut();
        next();
      },
      calmMs.least + Math.random() * (calmMs.most - calmMs.least),
    );
  };
  next();
  return () => {
    clearTimeout(timer);
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
