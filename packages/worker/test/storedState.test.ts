/** What outlives a worker's process. */
import { setBackend } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { beforeAll, describe, expect, it } from "vitest";
import { LocalState } from "../src/localState.ts";
import type { WorkerIdentity } from "../src/options.ts";
import { type StateStore, StoredState } from "../src/storedState.ts";
import { scripted, start, welcomeMessage } from "./script.ts";
import { linearJob } from "./testJob.ts";

beforeAll(() => {
  setBackend(createReferenceBackend());
});

function memoryStore(first?: Uint8Array) {
  const saved: Uint8Array[] = first === undefined ? [] : [first];
  const store: StateStore = {
    load: () => Promise.resolve(saved.at(-1)),
    save: async (bytes) => {
      await Promise.resolve();
      saved.push(bytes);
    },
  };
  return { store, saved };
}

const identityOf = (state: LocalState, rest = {}) => ({ state, ...rest }) as unknown as WorkerIdentity;

function storedIn(store: StateStore, identity: WorkerIdentity) {
  const problems: string[] = [];
  const stored = new StoredState(store, { identity, onProblem: (reason) => problems.push(reason) });
  return { stored, problems };
}

describe("a worker's state", () => {
  it("comes back as it was saved, open updates and all", async () => {
    const { store } = memoryStore();
    const state = new LocalState();
    state.stage({ round: 1, attempt: 0 }, { "codec.residual.0": Float32Array.of(1, -2.5) });
    state.verdict({ round: 1, attempt: 0 }, true);
    state.settle(1);
    state.stage(
      { round: 2, attempt: 1 },
      { "codec.residual.0": Float32Array.of(3, 4), "control/own": Float32Array.of(5) },
    );
    state.verdict({ round: 2, attempt: 1 }, true, 4);
    state.stage({ round: 3, attempt: 0 }, { "codec.residual.0": Float32Array.of(6, 7) });
    await storedIn(store, identityOf(state, { run: "r", resume: "token" })).stored.save();
    const again = identityOf(new LocalState());
    const { stored, problems } = storedIn(store, again);
    await stored.restore();
    expect(problems).toEqual([]);
    expect(again).toMatchObject({ run: "r", resume: "token" });
    expect(again.state.snapshot()).toEqual(state.snapshot());
  });

  it("that was never saved is empty, and a damaged one is passed over with a word", async () => {
    const identity = identityOf(new LocalState());
    const fresh = storedIn(memoryStore().store, identity);
    await fresh.stored.restore();
    expect(fresh.problems).toEqual([]);
    for (const bytes of [Uint8Array.of(1, 2, 3), new TextEncoder().encode("\x02\0\0\0\0\0\0\0{}")]) {
      const damaged = storedIn(memoryStore(bytes).store, identity);
      await damaged.stored.restore();
      expect(damaged.problems).toHaveLength(1);
      expect(damaged.problems[0]).toContain("passed over");
    }
    expect(identity.state.open).toEqual([]);
  });

  it("is saved one version after the other, and those overtaken are left out", async () => {
    const { store, saved } = memoryStore();
    const { stored } = storedIn(store, identityOf(new LocalState()));
    await Promise.all(Array.from({ length: 20 }, () => stored.save()));
    expect(saved.length).toBeGreaterThanOrEqual(1);
    expect(saved.length).toBeLessThanOrEqual(2);
  });

  it("that cannot be saved is told, and the worker goes on", async () => {
    const { stored, problems } = storedIn(
      { load: () => Promise.resolve(undefined), save: () => Promise.reject(new Error("no space")) },
      identityOf(new LocalState()),
    );
    await stored.save();
    expect(problems).toEqual(["the state could not be stored: no space"]);
  });
});

it("a worker that is started again takes up its place", async () => {
  const { store, saved } = memoryStore();
  const first = scripted();
  const { worker } = start([first], { stateStore: store });
  expect((await first.next("hello")).message.resume).toBeUndefined();
  const welcoming = await welcomeMessage(linearJob());
  await first.send(welcoming);
  while (saved.length === 0) await Promise.resolve();
  worker.stop("restart");
  const second = scripted();
  const { worker: again } = start([second], { stateStore: store });
  expect((await second.next("hello")).message.resume).toBe(welcoming.resume);
  again.stop("done");
});
