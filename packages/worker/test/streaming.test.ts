/** Where a worker that streams begins a round, by what it kept and for how long it was away. */
import {
  createManifest,
  DeltaError,
  encodeDelta,
  encodedRange,
  encodeVector,
  joinCodecs,
  openCodec,
  withinRanges,
} from "@weft/vector";
import { describe, expect, test } from "vitest";
import { fragmentsSince, type JobFragment } from "../src/fragments.ts";
import { streamedRound } from "../src/streaming.ts";
import { applyVersionDelta } from "../src/versionDelta.ts";

/** Three fragments of two elements, of which a byte each is sent. */
const fragments = [0, 1, 2].map((index): JobFragment => {
  const [start, end] = [2 * index, 2 * index + 2];
  return { index, start, end, encoded: { from: start, to: end }, codec: undefined as unknown as JobFragment["codec"] };
});
const job = { fragments };
const work = (mixing?: number) => ({
  ...{ kind: "local", steps: 1, batchSize: 1, optimizer: { name: "sgd" } as const },
  streaming: { fragments: 3, ...(mixing === undefined ? {} : { mixing }) },
});

/** A round on a version of nothing but its number, after the values of nothing but −1 that were left by an earlier round. */
function begun(round: number, last: number | undefined, mixing?: number) {
  const kept: Record<string, Float32Array> = {
    "streamed.values": new Float32Array(6).fill(-1),
    ...(last === undefined ? {} : { "streamed.round": Float32Array.of(last) }),
  };
  const travelled = new Float32Array(6).fill(round - 1);
  const spec = { ...work(mixing), kind: "local" } as const;
  return streamedRound(job, spec, { travelled, round, read: (name) => kept[name] });
}

test.each<[string, number, number | undefined, number[]]>([
  ["the fragment of the round before is the version's", 5, 4, [4, 4, -1, -1, -1, -1]],
  ["of a round that was missed, so is its fragment", 5, 3, [4, 4, -1, -1, 4, 4]],
  ["after a whole turn everything is", 5, 2, [4, 4, 4, 4, 4, 4]],
  ["values older than a turn are not gone on with", 9, 2, [8, 8, 8, 8, 8, 8]],
  ["nor are those of rounds that are run again", 5, 5, [4, 4, 4, 4, 4, 4]],
  ["a worker that kept nothing begins with the version", 5, undefined, [4, 4, 4, 4, 4, 4]],
])("%s", (_, round, last, expected) => {
  expect([...begun(round, last).start]).toEqual(expected);
});

test("with α, a part of the worker's own values is kept", () => {
  expect([...begun(5, 4, 0.25).start]).toEqual([2.75, 2.75, -1, -1, -1, -1]);
});

test("what is sent is the version's fragment less the worker's, and what is kept its values", () => {
  const { vector, kept } = begun(5, 4).end(Float32Array.of(1, 2, 3, 4, 5, 6));
  // Round 5 brings in the second fragment: 4 − (−1 − 3) and 4 − (−1 − 4).
  expect([...vector]).toEqual([8, 9]);
  expect([...kept["streamed.values"]!]).toEqual([3, 2, -4, -5, -6, -7]);
  expect([...kept["streamed.round"]!]).toEqual([5]);
});

describe("from version to version lead", () => {
  const sizes = [40, 300, 7];
  const codecs = sizes.map((elements, i) =>
    openCodec({ kind: "int8" }, createManifest([{ name: `p${i}`, shape: [elements] }])),
  );
  const down = joinCodecs(codecs);
  const streamed = sizes.map((elements, index): JobFragment => {
    const start = sizes.slice(0, index).reduce((sum, size) => sum + size, 0);
    const end = start + elements;
    return { index, start, end, codec: codecs[index]!, encoded: encodedRange(down, { start, end }) };
  });
  const streamingJob = { fragments: streamed, codecs: { down } };
  const values = Float32Array.from({ length: down.size }, (_, i) => Math.sin(i));
  const base = encodeVector(down, values, { seed: 0 }).bytes;
  // Rounds 3 and 4 bring in the third fragment and the first.
  const changed = [streamed[0]!, streamed[2]!];
  const next = values.slice();
  for (const { start, end } of changed) for (let i = start; i < end; i++) next[i]! *= 1.02;
  const expected = encodeVector(down, next, { seed: 0 }).bytes;

  const applied = (delta: Uint8Array) => {
    const bytes = new Uint8Array(base.length);
    const parts = applyVersionDelta(streamingJob, delta, { from: 2, version: 4, base, bytes });
    while (parts.next().done !== true);
    return bytes;
  };

  test("the fragments that rounds have brought in since", () => {
    expect(fragmentsSince(streamingJob, { from: 2, version: 4 })).toEqual(changed);
    const sent = changed.map(({ encoded }) => expected.subarray(encoded.from, encoded.to));
    expect(applied(Buffer.concat(sent))).toEqual(expected);
  });

  test("or how they differ, where that is shorter", () => {
    const delta = Buffer.concat([...encodeDelta(withinRanges(down, changed), base, expected)]);
    expect(delta.length).toBeLessThan(changed.reduce((sum, { encoded }) => sum + encoded.to - encoded.from, 0));
    expect(applied(delta)).toEqual(expected);
  });

  test("and no other bytes", () => {
    expect(() => applied(new Uint8Array(base.length))).toThrow(/at most 51 bytes lead from version 2 to 4/);
    expect(() => applied(Uint8Array.of(255, 1, 2))).toThrow(DeltaError);
  });
});
