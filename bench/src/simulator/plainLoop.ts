/** Federated averaging on threads as anyone would write it who wants nothing but its result: train, add up, step. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import type { Dataset } from "@weft/data";

export interface PlainStart {
  readonly job: Uint8Array;
  readonly train: Dataset;
}

export interface PlainShare {
  readonly weights: Float32Array;
  /** Of each worker that it trains. */
  readonly rows: readonly Uint32Array[];
  readonly sums: Float64Array;
  /** Whether what is trained goes into the sums; without, nothing is left but the training. */
  readonly adds: boolean;
}

export interface PlainSums {
  readonly total: number;
}

export interface PlainLoop {
  /** So many rounds, from where the ones before have left off. */
  run(rounds: number, adds: boolean): Promise<void>;
  close(): Promise<void>;
}

export interface PlainOptions extends PlainStart {
  readonly weights: Float32Array;
  readonly parts: readonly Uint32Array[];
  readonly cohort: number;
  readonly threads: number;
}

export function startPlainLoop({ job, train, weights: initial, parts, cohort, threads }: PlainOptions): PlainLoop {
  const shared = <T extends Float32Array | Float64Array>(made: T, from?: T): T => (from && made.set(from), made);
  const weights = shared(new Float32Array(new SharedArrayBuffer(initial.byteLength)), initial);
  const helpers = Array.from({ length: threads }, () => ({
    worker: new Worker(new URL("plainThread.ts", import.meta.url), {
      workerData: { job, train } satisfies PlainStart,
      execArgv: ["--conditions=weft-source"],
      // As the simulator's threads have it: without, collections of garbage take a tenth of the time.
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
    }),
    sums: shared(new Float64Array(new SharedArrayBuffer(8 * initial.length))),
  }));
  let round = 0;
  const step = async (adds: boolean): Promise<void> => {
    const chosen = Array.from({ length: cohort }, (_, i) => parts[(round * cohort + i) % parts.length]!.slice());
    round += 1;
    const totals = await Promise.all(
      helpers.map(({ worker, sums }, thread) => {
        const rows = chosen.filter((_, i) => i % threads === thread);
        worker.postMessage({ weights, rows, sums, adds } satisfies PlainShare);
        return once(worker, "message").then(([answer]) => answer as PlainSums);
      }),
    );
    const total = totals.reduce((sum, part) => sum + part.total, 0);
    for (let i = 0; i < weights.length; i++) {
      let change = 0;
      for (const { sums } of helpers) change += sums[i]!;
      weights[i]! -= change / total;
    }
  };
  return {
    async run(rounds, adds) {
      for (let i = 0; i < rounds; i++) await step(adds);
    },
    async close() {
      await Promise.all(helpers.map(({ worker }) => worker.terminate()));
    },
  };
}
