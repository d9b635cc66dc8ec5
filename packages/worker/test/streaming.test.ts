/** Where a worker that streams begins a round, by what it kept and for how long it was away. */
import { expect, test } from "vitest";
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

test("fragments that rounds have brought in lead from version to version", () => {
  const base = Uint8Array.of(1, 2, 3, 4, 5, 6);
  const bytes = new Uint8Array(6);
  const streamingJob = { fragments, codecs: { down: undefined as never } };
  const step = { from: 2, version: 4, base, bytes };
  expect(fragmentsSince(job, step).map(({ index }) => index)).toEqual([0, 2]);
  for (const _ of applyVersionDelta(streamingJob, Uint8Array.of(10, 20, 50, 60), step)) expect(_).toBeUndefined();
  expect([...bytes]).toEqual([10, 20, 3, 4, 50, 60]);
  const short = applyVersionDelta(streamingJob, Uint8Array.of(10, 20), step);
  expect(() => [...short]).toThrow(/4 bytes lead from version 2 to 4, got 2/);
});
