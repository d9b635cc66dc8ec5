/** Which orders an update that was computed already answers. */
import { expect, test } from "vitest";
import { PendingUpdate } from "../src/pendingUpdate.ts";
import { work } from "./script.ts";

const local = { kind: "local", epochs: 1, batchSize: 10, seed: 3 } as const;
const named = { kind: "update", run: "r", round: 1, attempt: 0, version: 0 } as const;
const message = { ...named, codec: "f32", weight: 4, metrics: {}, computeMs: 1 };

function kept(partition: Uint32Array | undefined): PendingUpdate {
  const pending = new PendingUpdate();
  pending.keep({ work: work({ order: local }), partition, message, payload: [] }, "first");
  return pending;
}

test("an update made on one part of the data does not answer the same order on another part", () => {
  const pending = kept(Uint32Array.of(0, 1, 2));
  expect(pending.of(work({ order: local }), Uint32Array.of(0, 1, 2))).toBeDefined();
  expect(pending.of(work({ order: local }), Uint32Array.of(0, 1, 2, 3))).toBeUndefined();
});

test("an update answers the order it was made for and no other", () => {
  const pending = kept(undefined);
  expect(pending.of(work({ order: local }), undefined)).toBeDefined();
  expect(pending.of(work({ order: { ...local, seed: 4 } }), undefined)).toBeUndefined();
  expect(pending.of(work({ order: local, versionHash: "1".repeat(64) }), undefined)).toBeUndefined();
  expect(pending.of(work({ order: local, attempt: 1 }), undefined)).toBeUndefined();
});
