/** A trainer of a model of any size that does no mathematics: a gradient is twice the base. */
import { type CodecSpec, createManifest, openCodec } from "@weft/vector";
import { checkJob, type LocalWork, type Trainer } from "@weft/worker";
import { linearJob } from "./testJob.ts";

export interface LargeTrainer extends Trainer {
  readonly calls: { gradient: number };
}

export interface LargeOptions {
  readonly elements: number;
  /** Called within every gradient. */
  readonly during?: () => Promise<void>;
  /** Local training: called with what the order asked for. */
  readonly train?: (work: LocalWork) => Promise<void>;
  readonly job?: Uint8Array;
  /** How updates travel; f32 by default. */
  readonly up?: CodecSpec;
}

export function largeTrainer({
  elements,
  during,
  train,
  job = linearJob(),
  up = { kind: "f32" },
}: LargeOptions): LargeTrainer {
  const manifest = createManifest([{ name: "w", shape: [elements], kind: "weight" }]);
  const codec = openCodec({ kind: "f32" }, manifest);
  const whole = {
    index: 0,
    start: 0,
    end: elements,
    codec: openCodec(up, manifest),
    encoded: { from: 0, to: codec.encodedBytes },
  };
  const calls = { gradient: 0 };
  const absent = () => Promise.reject(new Error("not asked for in these tests"));
  return {
    calls,
    job: { ...checkJob(job), manifest, shared: manifest, fragments: [whole], codecs: { down: codec } },
    async gradient(base) {
      calls.gradient += 1;
      await during?.();
      return { gradient: base.map((value) => 2 * value), weight: 4, metrics: { loss: 1 } };
    },
    async train(base, { rows }, work) {
      await train?.(work);
      const optimizerState = () => Promise.resolve([]);
      return {
        change: base.map((value) => -value),
        weight: rows.length,
        metrics: { loss: 1 },
        steps: 1,
        optimizerState,
      };
    },
    initialize: absent,
    evaluate: absent,
    predict: absent,
  };
}
