/** What one run of the proof is made of: the knobs of its job, the network it has, and what goes wrong. All of it follows from a seed. */
import type { Quality } from "../network/line.ts";
import { createRandom } from "../random.ts";
import { drawFault, drawKill, type Fault } from "./faults.ts";
import { drawKnobs, type JobKnobs } from "./knobs.ts";

export interface Schedule {
  readonly seed: number;
  readonly job: JobKnobs;
  readonly gatherMs: number;
  readonly expectedWorkers: number;
  readonly workers: readonly WorkerTraits[];
  /** Kept on disk, so that the coordinator can be killed and come back. */
  readonly stored: boolean;
  readonly faults: readonly Fault[];
}

export interface WorkerTraits {
  readonly joinsAtMs: number;
  /** How long its training takes. */
  readonly computeMs: number;
  readonly quality: Quality;
  /** What it keeps between rounds, and who it is, outlives its process. */
  readonly keepsState: boolean;
  /** Examples of its own; undefined where it trains on the coordinator's. */
  readonly ownExamples?: number | undefined;
}

/** Most faults of one schedule. */
const mostFaults = 8;

export function drawSchedule(seed: number): Schedule {
  const random = createRandom(seed, 1);
  const workers = 1 + random.below(5);
  const rounds = 2 + random.below(3);
  const stored = random.chance(0.15);
  const job = drawKnobs(random, rounds);
  const scene = {
    ...{ workers, rounds, stored, troubleMs: random.pick([300, 1500, 8000]) },
    plain: job.codec.up.kind === "f32",
  };
  return {
    seed,
    job,
    gatherMs: random.pick([0, 200, 2000]),
    expectedWorkers: 1 + random.below(workers),
    workers: Array.from({ length: workers }, () => ({
      joinsAtMs: random.chance(0.7) ? 0 : Math.round(random.between(0, 2000)),
      computeMs: Math.round(random.between(1, 200)),
      quality: {
        latencyMs: Math.round(random.between(1, 60)),
        jitterMs: random.pick([0, 5, 40]),
        bytesPerMs: random.pick([20, 200, 20_000]),
      },
      keepsState: random.chance(0.4),
      ...(job.examples === 0 || random.chance(0.05) ? { ownExamples: 3 + random.below(20) } : {}),
    })),
    stored,
    faults: [
      ...Array.from({ length: random.below(mostFaults + 1) }, () => drawFault(random, scene)),
      ...(stored ? [drawKill(random, scene)] : []),
    ],
  };
}

/** One line for each fault, above them what they meet. */
export function scheduleText({ seed, job, gatherMs, expectedWorkers, workers, stored, faults }: Schedule): string {
  const { rounds, seed: jobSeed, ...rule } = job;
  return [
    `seed ${seed}: ${workers.length} workers (${expectedWorkers} expected), ${rounds} rounds, job of seed ${jobSeed}${stored ? ", stored" : ""}`,
    `  gathering ${gatherMs} ms, ${JSON.stringify(rule)}`,
    ...workers.map((traits, i) => `  worker ${i}: ${JSON.stringify(traits)}`),
    ...faults.map((fault) => `  ${JSON.stringify(fault)}`),
  ].join("\n");
}
