/**
 * Streaming DiLoCo (Douillard et al. 2025): a round brings in one fragment of the model, and a worker goes on from values of its own for the
 * others. A fragment's outer gradient is what was merged of it last less the worker's values now. When it has been merged again, the worker
 * takes α of its own values and 1 − α of the merged ones. It waits for these between two rounds, so nothing overlaps: τ of the paper is 0.
 */
import type { LocalJobWork } from "@weft/protocol";
import { fragmentFor, type Fragmented, fragmentsSince } from "./fragments.ts";
import type { StateVectors } from "./localState.ts";

type Read = (name: string) => Float32Array | undefined;

/** Names in a worker's state: its own values of the shared vector, and the round that it had them after. */
const values = "streamed.values";
const after = "streamed.round";

export interface StreamedRound {
  /** Where training begins, of the shared vector. */
  readonly start: Float32Array;
  /**
   * What training leaves.
   *
   * @param change start − result; not kept
   */
  end(change: Float32Array): {
    /** Of the round's fragment, to be sent. */
    readonly vector: Float32Array;
    readonly kept: StateVectors;
  };
}

/** @param travelled the version that the round begins with */
export function streamedRound(
  job: Pick<Fragmented, "fragments">,
  { streaming }: LocalJobWork,
  { travelled, round, read }: { readonly travelled: Float32Array; readonly round: number; readonly read: Read },
): StreamedRound {
  if (streaming === undefined) return { start: travelled, end: (change) => ({ vector: change, kept: {} }) };
  const start = startOf(job, { travelled, round, read, mixing: streaming.mixing ?? 0 });
  const fragment = fragmentFor(job, round);
  return {
    start,
    end(change) {
      const vector = new Float32Array(fragment.end - fragment.start);
      for (let i = 0; i < vector.length; i++) {
        const at = fragment.start + i;
        vector[i] = travelled[at]! - start[at]! + change[at]!;
      }
      const result = new Float32Array(change.length);
      for (let i = 0; i < result.length; i++) result[i] = start[i]! - change[i]!;
      return { vector, kept: { [values]: result, [after]: Float32Array.of(round) } };
    },
  };
}

interface Start {
  readonly travelled: Float32Array;
  readonly round: number;
  readonly read: Read;
  readonly mixing: number;
}

/** A worker that was away for longer than it takes all fragments to be brought in once begins with the version, as a new one does. */
function startOf(job: Pick<Fragmented, "fragments">, { travelled, round, read, mixing }: Start): Float32Array {
  const [own, last = Infinity] = [read(values), read(after)?.[0]];
  const merged = round - last;
  if (own?.length !== travelled.length || !(merged >= 1 && merged <= job.fragments.length)) return travelled;
  const start = own.slice();
  // The last round that its values come from was the first to be merged since.
  for (const fragment of fragmentsSince(job, { from: last - 1, version: round - 1 })) {
    const range = [fragment.start, fragment.end] as const;
    if (mixing === 0) start.set(travelled.subarray(...range), fragment.start);
    else for (let i = range[0]; i < range[1]; i++) start[i] = mixing * own[i]! + (1 - mixing) * travelled[i]!;
  }
  return start;
}
