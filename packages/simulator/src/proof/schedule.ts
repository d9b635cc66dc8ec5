/** What one run of the proof is made of: the knobs of its job, the network it has, and what goes wrong. All of it follows from a seed. */
import type { Quality } from "../network/line.ts";
import { createRandom, type Random } from "../random.ts";
import type { JobKnobs } from "./exactJob.ts";
import { drawFault, drawKill, type Fault } from "./faults.ts";

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
}

/** Most faults of one schedule. */
const mostFaults = 8;

export function drawSchedule(seed: number): Schedule {
  const random = createRandom(seed, 1);
  const workers = 1 + random.below(5);
  const rounds = 2 + random.below(3);
  const stored = random.chance(0.15);
  const job = { ...drawRule(random), rounds, seed: random.below(4) };
  const scene = { workers, rounds, stored, troubleMs: random.pick([300, 1500, 8000]) };
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
    })),
    stored,
    faults: [
      ...Array.from({ length: random.below(mostFaults + 1) }, () => drawFault(random, scene)),
      ...(stored ? [drawKill(random, scene)] : []),
    ],
  };
}

function drawRule(random: Random): Omit<JobKnobs, "rounds" | "seed"> {
  const work: JobKnobs["work"] = random.chance(0.6)
    ? { kind: "gradient", batchSize: random.pick([4, 12]) }
    : { kind: "local", epochs: 1, batchSize: 10, optimizer: { name: "sgd", learningRate: 0.1 } };
  const deadlineMs = random.pick([400, 1500, 5000, 1500, 5000, "adaptive"] as const);
  const cohort = random.pick([{ fraction: 1 }, { fraction: 1 }, { fraction: 0.5 }, { count: 2 }]);
  if (random.chance(0.3)) {
    const pace = {
      kind: "buffered",
      size: 1 + random.below(3),
      staleness: random.pick([{ kind: "constant" }, { kind: "polynomial", exponent: 0.5 }] as const),
      ...(random.chance(0.3) ? { maxStaleness: random.below(3) } : {}),
    } as const;
    return { work, deadlineMs, cohort, quorum: { fraction: 1 }, pace };
  }
  const quorum = random.pick([{ fraction: 1 }, { fraction: 1 }, { fraction: 0.6 }, { count: 1 }]);
  const late = random.chance(0.3) ? "buffer" : "refuse";
  const isPart = !("fraction" in cohort) || cohort.fraction < 1;
  const overSelect = isPart && random.chance(0.3) ? { overSelect: 1.5 } : {};
  return { work, deadlineMs, cohort: { ...cohort, ...overSelect }, quorum, late };
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
