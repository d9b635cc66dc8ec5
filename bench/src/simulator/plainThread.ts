/** A thread of the plain loop: trains its share of a cohort, one worker after another, and adds up what comes of it. */
import { parentPort, workerData } from "node:worker_threads";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { checkJob, createTrainer } from "@weft/worker";
import type { PlainShare, PlainStart, PlainSums } from "./plainLoop.ts";

const { job, train: dataset } = workerData as PlainStart;
setBackend(createWasmBackend({ blas: "auto" }));
const trainer = createTrainer(checkJob(job));
const { work } = trainer.job.document.round;
if (work.kind !== "local") throw new Error("the job is federated");
const { epochs = 1, batchSize, optimizer } = work;

const room = new Float32Array(trainer.job.manifest.size);

async function trainShare({ weights, rows, sums, adds }: PlainShare): Promise<PlainSums> {
  sums.fill(0);
  // Memory that is shared is copied at half the speed.
  const base = weights.slice();
  let total = 0;
  for (const [i, own] of rows.entries()) {
    const how = { epochs, batchSize, optimizer, seed: i, room };
    const { change, weight } = await trainer.train(base, { dataset, rows: own }, how);
    if (adds) for (let j = 0; j < sums.length; j++) sums[j]! += weight * change[j]!;
    total += weight;
  }
  return { total };
}

parentPort?.on("message", (share: PlainShare) => {
  void trainShare(share).then((sums) => parentPort?.postMessage(sums));
});
