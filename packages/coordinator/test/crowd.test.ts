/** Crowds: workers that are registered like any other, and have a session only while there is something to say to them. */
import type { Message } from "@weft/protocol";
import { memoryPair, type Connection } from "@weft/transport";
import { expect, test } from "vitest";
import type { CrowdEntrance } from "../src/index.ts";
import { Members } from "../src/round/members.ts";
import { rankingWithout } from "../src/round/ranking.ts";
import { Roster } from "../src/round/roster.ts";
import { freshWorkers, type Member, newWorker } from "../src/round/state.ts";
import type { VirtualClock } from "../../../test/support/virtualClock.ts";
import { makeJob, startRun, turns, until, updateFor } from "./harness.ts";

/** Answers every order with zeros, and notes what it is told. */
class Crowd implements CrowdEntrance {
  readonly device = "test";
  readonly closed = new Promise<never>(() => undefined);
  readonly stats = { sentBytes: 0, receivedBytes: 0, roundTripMs: undefined, tally: [] };
  readonly told: { readonly message: Message; readonly workers: number }[] = [];
  /** Places whose worker was called, in order, and those whose connection is open. */
  readonly called: number[] = [];
  readonly open = new Set<number>();
  readonly #clock: VirtualClock;
  readonly #size: number;

  constructor(clock: VirtualClock, size: number) {
    this.#clock = clock;
    this.#size = size;
  }

  tell(message: Message, workers: number): void {
    this.told.push({ message, workers });
  }

  connect(place: number): Connection {
    this.called.push(place);
    this.open.add(place);
    const { coordinator: theirs, worker: ours } = memoryPair({ clock: this.#clock });
    void ours.closed.then(() => this.open.delete(place));
    ours.listen((message, payload) => {
      payload?.discard();
      if (message.kind !== "work") return;
      void ours.send(updateFor(message), new Uint8Array(4 * this.#size)).catch(() => undefined);
    });
    return theirs;
  }
}

const round = { cohort: { count: 3 }, quorum: { fraction: 1 } };

/** @param down codec of versions: what is held of those in full precision shortens no later one */
async function runWith(workers: number, rounds: number, down = "f32") {
  const run = await startRun({ job: makeJob({ size: 5, round, stop: { rounds }, codec: { down } }) });
  run.coordinator.pause();
  const crowd = new Crowd(run.clock, 5);
  const attached = run.coordinator.attachCrowd(crowd, workers);
  const of: typeof run.of = (event) => run.of(event);
  return { coordinator: run.coordinator, clock: run.clock, of, crowd, attached };
}

test("of thousands that are there, only those invited get a connection", async () => {
  const { coordinator, crowd, of } = await runWith(5000, 4);
  expect(coordinator.report().workers).toBe(5000);
  coordinator.unpause();
  const { reason } = await coordinator.finished;
  expect(reason).toBe("rounds");
  expect(of("round").map(({ workers, cohort, updates }) => [workers, cohort, updates])).toEqual(
    Array.from({ length: 4 }, () => [5000, 3, 3]),
  );
  expect(crowd.called.length).toBe(12);
  const committed = crowd.told.filter(({ message }) => message.kind === "committed");
  // The news went to those without a connection once for all of them; the others heard it on theirs.
  expect(committed.map(({ workers }) => workers)).toEqual([4997, 4997, 4997, 4997]);
});

test("who holds nothing that shortens the next version is let go at once", async () => {
  const { coordinator, crowd } = await runWith(5, 10);
  coordinator.unpause();
  await coordinator.finished;
  expect(crowd.called.length).toBe(30);
  expect(crowd.open.size).toBe(0);
});

test("who has had nothing to do for some versions is let go, is still there, and is called again", async () => {
  const { coordinator, crowd, of } = await runWith(24, 30, "f16");
  coordinator.unpause();
  await coordinator.finished;
  expect(of("round").every(({ workers, updates }) => workers === 24 && updates === 3)).toBe(true);
  expect(new Set(crowd.called).size).toBeGreaterThan(20);
  // 90 orders: some went to a connection that was still open, others made one anew.
  expect(crowd.called.length).toBeGreaterThan(24);
  expect(crowd.called.length).toBeLessThan(90);
  const told = crowd.told.flatMap(({ message, workers }) => (message.kind === "committed" ? workers : []));
  expect(Math.min(...told)).toBeGreaterThanOrEqual(24 - 3 * 6);
  expect(of("workerLeft")).toEqual([]);
});

test("a worker of a crowd goes in the middle of a round, which closes without it, and comes back", async () => {
  const { coordinator, crowd, attached, clock, of } = await runWith(3, 2);
  const connect = crowd.connect.bind(crowd);
  // The worker at place 1 never answers.
  crowd.connect = (place) => {
    if (place !== 1) return connect(place);
    return memoryPair({ clock }).coordinator;
  };
  coordinator.unpause();
  await until(() => crowd.called.length === 2, "the others' orders");
  await turns(20);
  expect(of("round")).toEqual([]);
  attached.vanish(1);
  await clock.advance(400);
  await coordinator.finished;
  expect(of("round").map(({ updates }) => updates)).toEqual([2, 2]);
  expect(of("workerLeft").map(({ worker }) => worker)).toEqual(["c1.1"]);
});

test("a worker of a crowd that comes back is invited again", async () => {
  const { coordinator, attached, crowd, clock } = await runWith(3, 1);
  for (const place of [0, 2]) attached.vanish(place);
  attached.arrive(2);
  coordinator.unpause();
  // The one that is gone is waited for so long.
  await clock.advance(400);
  await coordinator.finished;
  expect(crowd.called.toSorted()).toEqual([1, 2]);
});

test("many workers at once are as many one after another", () => {
  const few = ["a", "b", "c"].map((id, slot) => newWorker(id, slot));
  let started = Roster.empty(freshWorkers);
  for (const worker of few) started = started.with({ ...worker, strikes: 1 });
  started = started.without(["b"]);
  for (const count of [0, 1, 20, 3000]) {
    const ids = Array.from({ length: count }, (_, i) => `c1.${i}`);
    const together = started.withFresh(ids);
    let one = started;
    for (const id of ids) one = one.with(newWorker(id, one.freeSlot(undefined)));
    expect([...together.values()]).toEqual([...one.values()]);
    expect([together.size, together.freeSlot(undefined)]).toEqual([one.size, one.freeSlot(undefined)]);
    expect(ids.every((id) => together.get(id)?.slot === one.get(id)?.slot)).toBe(true);
    expect(together.withFresh(["x"]).without(ids).get("x")?.slot).toBe(count === 0 ? 1 : count + 2);
  }
});

test("workers have ranks in the order of slots, whoever is left out", () => {
  let roster = Roster.empty(freshWorkers).withFresh(Array.from({ length: 100 }, (_, i) => `w${i}`));
  roster = roster.without(["w0", "w40", "w41", "w99"]);
  const leftOut = [3, 7, 42, 98];
  const expected = [...roster.values()].filter(({ slot }) => !leftOut.includes(slot));
  const ranking = rankingWithout(roster, leftOut);
  expect(ranking.all()).toEqual(expected);
  expect(ranking.size).toBe(92);
});

test("members say how many are in which state, and rounds of before stay as they were", () => {
  const order = { kind: "gradient", examples: { kind: "own", seed: 1, position: 0, count: 1 }, seed: 1 } as const;
  const invited = Array.from({ length: 70 }, (_, i): Member => ({
    worker: `w${i}`,
    order,
    status: "working",
    upload: undefined,
  }));
  const before = Members.of(invited);
  const after = before.with({ ...invited[40]!, status: "delivered" }).with({ ...invited[3]!, status: "left" });
  expect([before.count("working"), before.count("delivered"), before.get("w40")?.status]).toEqual([70, 0, "working"]);
  expect([after.count("working"), after.count("delivered"), after.count("left")]).toEqual([68, 1, 1]);
  expect([...after.values()].map(({ worker }) => worker)).toEqual(invited.map(({ worker }) => worker));
  expect(after.get("w40")?.status).toBe("delivered");
  expect(() => after.with({ ...invited[0]!, worker: "stranger" })).toThrow("stranger is no member");
});
