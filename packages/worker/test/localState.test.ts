import { createManifest, decodeVector, openCodec } from "@weft/vector";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { encodeUpdate } from "../src/encodeUpdate.ts";
import { OrderDeclinedError } from "../src/errors.ts";
import { LocalState } from "../src/localState.ts";

const one = Float32Array.of(1);
const two = Float32Array.of(2);
const update = { round: 3, attempt: 0 };

describe("what an update leaves behind", () => {
  it("is the state once it was counted and its version committed", () => {
    const state = new LocalState();
    state.stage(update, { owed: one });
    expect(state.read("owed")).toBeUndefined();
    state.verdict(update, true);
    state.settle(2);
    expect(state.open).toEqual([update]);
    state.settle(3);
    expect(state.open).toEqual([]);
    expect(state.read("owed")).toBe(one);
  });

  it("is found by the next update as soon as it was accepted", () => {
    const state = new LocalState();
    state.stage(update, { owed: one });
    state.verdict(update, true, 9);
    expect(state.read("owed")).toBe(one);
    state.settle(8);
    expect(state.open).toEqual([update]);
    state.settle(9);
    expect(state.open).toEqual([]);
  });

  it("is nothing when it was refused", () => {
    const state = new LocalState();
    state.stage(update, { owed: one });
    state.verdict(update, false);
    state.settle(3);
    expect(state.read("owed")).toBeUndefined();
    expect(state.open).toEqual([]);
  });

  it("is nothing when a coordinator that accepted it lost it before the commit", () => {
    const state = new LocalState();
    state.stage({ round: 2, attempt: 0 }, { owed: one });
    state.verdict({ round: 2, attempt: 0 }, true);
    state.settle(2);
    state.stage(update, { owed: two });
    state.verdict(update, true);
    state.reconcile([]);
    expect(state.read("owed")).toBe(one);
  });

  it("counts when the verdict was lost with the connection, and the coordinator knows of it", () => {
    const state = new LocalState();
    state.stage(update, { owed: one });
    state.reconcile([{ ...update, version: 3 }]);
    state.settle(4);
    expect(state.read("owed")).toBe(one);
  });

  it("waits for a new verdict when the update is still to be sent", () => {
    const state = new LocalState();
    state.stage(update, { owed: one });
    state.verdict(update, true);
    state.reconcile([], [update]);
    expect(state.read("owed")).toBeUndefined();
    state.verdict(update, true);
    expect(state.read("owed")).toBe(one);
  });

  it("of a second attempt takes the place of the first's", () => {
    const state = new LocalState();
    state.stage(update, { owed: one });
    state.stage({ round: 3, attempt: 1 }, { owed: two });
    state.verdict({ round: 3, attempt: 1 }, true);
    state.settle(3);
    expect(state.read("owed")).toBe(two);
  });

  it("is all in the snapshot", () => {
    const state = new LocalState();
    state.stage({ round: 2, attempt: 0 }, { owed: one, other: two });
    state.verdict({ round: 2, attempt: 0 }, true);
    state.settle(2);
    state.stage(update, { owed: two });
    const again = new LocalState();
    again.restore(state.snapshot());
    expect(again.snapshot()).toEqual(state.snapshot());
    again.clear();
    expect(again.open).toEqual([]);
    expect(again.read("other")).toBeUndefined();
  });
});

it("whatever becomes of updates, what was counted and what is owed add up to what counted updates were given", () => {
  const size = 300;
  const codec = openCodec({ kind: "int2" }, createManifest([{ name: "x", shape: [size] }]));
  const fates = fc.array(fc.constantFrom("counted", "refused", "lost", "verdict lost"), { maxLength: 12 });
  fc.assert(
    fc.property(fates, (rounds) => {
      const state = new LocalState();
      const given = new Float64Array(size);
      const got = new Float64Array(size);
      for (const [index, fate] of rounds.entries()) {
        const name = { round: index + 1, attempt: 0 };
        const values = Float32Array.from({ length: size }, (_, i) => Math.sin(i * 3.1 + index));
        const { payload, owed } = encodeUpdate(codec, [values], { seed: index, state });
        state.stage(name, owed);
        const counts = fate === "counted" || fate === "verdict lost";
        if (counts) {
          const decoded = new Float32Array(size);
          decodeVector(codec, payload[0]!, decoded);
          decoded.forEach((value, i) => (got[i]! += value));
          values.forEach((value, i) => (given[i]! += value));
        }
        if (fate === "counted" || fate === "refused") state.verdict(name, fate === "counted");
        else state.reconcile(counts ? [{ ...name, version: name.round }] : []);
        state.settle(name.round);
      }
      const owed = state.read("codec.residual.0");
      for (let i = 0; i < size; i++) expect(Math.abs(given[i]! - got[i]! - (owed?.[i] ?? 0))).toBeLessThan(1e-4);
    }),
  );
});

it("an update of several vectors has a memory for each", () => {
  const codec = openCodec({ kind: "sign" }, createManifest([{ name: "x", shape: [3] }]));
  const state = new LocalState();
  const vectors = [Float32Array.of(1, 2, 3), Float32Array.of(-1, -5, 0)];
  const { payload, owed } = encodeUpdate(codec, vectors, { seed: 1, state });
  expect(payload.map(({ length }) => length)).toEqual([codec.encodedBytes, codec.encodedBytes]);
  expect(Object.keys(owed)).toEqual(["codec.residual.0", "codec.residual.1"]);
  expect([...owed["codec.residual.1"]!]).toEqual([1, -3, -2]);
});

it("values that a codec cannot compute with decline the order", () => {
  const codec = openCodec({ kind: "int8" }, createManifest([{ name: "x", shape: [3] }]));
  const encode = () => encodeUpdate(codec, [Float32Array.of(1, NaN, 3)], { seed: 1, state: new LocalState() });
  expect(encode).toThrow(OrderDeclinedError);
});
