/** Jobs prepared by this process, by hash: workers hosted side by side share checked programs and compiled steps. */
import type { WorkerPolicy } from "./job.ts";
import { checkJob } from "./job.ts";
import { sha256 } from "./hash.ts";
import { JobRefusedError } from "./errors.ts";
import type { Trainer } from "./training.ts";
import { createTrainer } from "./trainer.ts";

const trainers = new Map<string, Trainer>();

/** Checks the job against its hash and the policy, and returns its trainer, the same one for the same job and policy. */
export async function prepareJob(bytes: Uint8Array, hash: string, policy: WorkerPolicy): Promise<Trainer> {
  const name = `${hash} ${JSON.stringify(policy)}`;
  const known = trainers.get(name);
  if (known) return known;
  const actual = await sha256(bytes);
  if (actual !== hash) {
    throw new JobRefusedError(`the job's bytes hash to ${actual}, ${hash} was announced; it was altered on the way`);
  }
  const trainer = trainers.get(name) ?? createTrainer(checkJob(bytes, policy));
  trainers.set(name, trainer);
  return trainer;
}
