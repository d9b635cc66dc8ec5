/** Floods of mutated frames into a coordinator within this process, each frame over a connection of its own. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { encodeFrame, type MessageOf } from "@weft/protocol";
import { type Carrier, Link } from "@weft/transport";
import { expect } from "vitest";
import { makeJob, startRun, type TestRun, turns, until, updateFor } from "../harness.ts";
import { hello } from "./attacks.ts";
import { mutate, mutations } from "./mutate.ts";

type Random = ReturnType<typeof mutations>;

/** Takes what is sent and forgets it. */
class Silence implements Carrier {
  readonly remote = "hostile";
  readonly bufferedBytes = 0;
  readonly #ended: (code: number, reason: string) => void;

  constructor(ended: (code: number, reason: string) => void) {
    this.#ended = ended;
  }

  send(): void {
    // Nobody is there to read it.
  }

  close(code: number, reason: string): void {
    this.#ended(code, reason);
  }

  terminate(): void {
    this.#ended(1006, "");
  }
}

/** Codes that links were closed with, and how often. */
type Codes = Map<number, number>;

function connect(run: TestRun, codes: Codes): Link {
  const link: Link = new Link(new Silence((code, reason) => link.ended(code, reason)), {
    accepts: "worker",
    clock: run.clock,
    onFault: ({ code }) => codes.set(code, (codes.get(code) ?? 0) + 1),
  });
  run.coordinator.attach(link);
  return link;
}

/** As one frame, or as the two parts in which sockets may hand it over. */
function receive(link: Link, frame: Uint8Array, random: Random): void {
  const cut = random(3) === 0 ? random(frame.length + 1) : frame.length;
  if (cut === frame.length) link.receive(frame);
  else link.receive(frame.slice(0, cut), frame.slice(cut));
}

const message = (body: unknown, payload?: { stream: number; bytes: number }) =>
  encodeFrame({ frame: "message", message: body, payload });

const greeting = message(hello());

/** Instead of a hello, or right after it: nobody of these becomes a worker that rounds count on. */
export function stranger(run: TestRun, codes: Codes, random: Random): void {
  const link = connect(run, codes);
  if (random(8) > 0) link.receive(greeting);
  receive(link, mutate(random), random);
  link.ended(1006, "gone");
}

const elements = 100;

/** A worker that is ready, announces an update, and sends something mutated where its bytes should come. */
function insider(run: TestRun, work: MessageOf<"work">, options: { codes: Codes; random: Random; jobHash: string }) {
  const { codes, random, jobHash } = options;
  const link = connect(run, codes);
  link.receive(greeting);
  link.receive(message({ kind: "ready", jobHash }));
  const update = message(updateFor(work), { stream: 1, bytes: 4 * elements });
  const chunk = encodeFrame({ frame: "chunk", stream: 1, offset: 0 }, new Uint8Array(4 * elements));
  if (random(2) === 0) {
    link.receive(update);
    receive(link, random(4) === 0 ? mutate(random) : mutate(random, [chunk]), random);
  } else receive(link, mutate(random, [update]), random);
  link.ended(random(2) === 0 ? 1000 : 1006, "gone");
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Floods, and checks that neither a prototype, nor a timer, nor memory tells of it afterwards. */
async function withoutTrace(run: TestRun, flood: () => Promise<void>): Promise<void> {
  const measure = () => {
    run.events.length = 0;
    collectGarbage();
    return { heapBytes: process.memoryUsage().heapUsed, prototype: Reflect.ownKeys(Object.prototype) };
  };
  const before = measure();
  await flood();
  await turns(5);
  const after = measure();
  expect(after.prototype).toEqual(before.prototype);
  expect((after.heapBytes - before.heapBytes) / 2 ** 20).toBeLessThan(16);
}

/** Between two turns of the event loop; sockets hand over no more either. */
const batch = 100;

/** A run of two honest workers under a flood of strangers: its weights at the end, and the codes they were shown out with. */
export async function amongStrangers(frames: number): Promise<{ weights: Float32Array; codes: number[] }> {
  const rounds = 10;
  const run = await startRun({ job: makeJob({ size: elements, stop: { rounds } }), run: { expectedWorkers: 2 } });
  const honest = [run.join({ automatic: false }), run.join({ automatic: false })];
  const random = mutations(7);
  const codes: Codes = new Map();
  const isAsked = (round: number) => honest.every(({ lastWork }) => lastWork?.round === round);
  await until(() => isAsked(1), "the first order");
  const timers = run.clock.pending;
  await withoutTrace(run, async () => {
    for (let round = 1; round <= rounds; round++) {
      await until(() => isAsked(round), `round ${round}`);
      for (let sent = 0; sent < frames / rounds; sent++) {
        stranger(run, codes, random);
        if (sent % batch === 0) await turns(1);
      }
      await turns(2);
      expect(run.clock.pending).toBe(timers);
      for (const worker of honest) await worker.answer(worker.lastWork!);
    }
  });
  const { weights, reason, rounds: made } = await run.coordinator.finished;
  expect([reason, made]).toEqual(["rounds", rounds]);
  return { weights, codes: [...codes.keys()].toSorted((a, b) => a - b) };
}

/** A run whose rounds go on among workers that send something mutated and go; how many rounds there were. */
export async function amongInsiders(frames: number): Promise<number> {
  const job = makeJob({ size: elements, stop: { rounds: 1_000_000 } });
  const run = await startRun({ job, run: { expectedWorkers: 2 } });
  const honest = [run.join(), run.join()];
  const random = mutations(8);
  const codes: Codes = new Map();
  await until(() => honest.every(({ lastWork }) => lastWork !== undefined), "the first order");
  const { jobHash } = honest[0]!;
  const version = () => run.coordinator.report().version;
  await withoutTrace(run, async () => {
    for (let sent = 0; sent < frames; sent += batch) {
      const before = version();
      for (let i = 0; i < batch; i++) insider(run, honest[i % 2]!.lastWork!, { codes, random, jobHash });
      await turns(1);
      // Those whose connection broke are waited for, and no longer.
      await run.clock.advance(1000);
      await until(() => version() > before, "the next round");
      for (const worker of honest) forget(worker);
    }
  });
  const rounds = version();
  await run.coordinator.abort();
  expect(run.clock.pending).toBe(0);
  return rounds;
}

/** What an honest worker was sent before is no memory of the coordinator's. */
function forget({ seen, bases, encoded, lastWork }: ReturnType<TestRun["join"]>): void {
  for (const kept of [bases, encoded]) {
    for (const version of kept.keys()) if (version < (lastWork?.version ?? 0)) kept.delete(version);
  }
  seen.splice(0, seen.length - 4);
}
