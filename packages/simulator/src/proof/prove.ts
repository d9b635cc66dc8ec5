/** Plays schedules by seed until one breaks a promise, and then looks for the shortest one that still does. */
import { isSound, type JobKnobs } from "./knobs.ts";
import { rightRules, type Rules } from "./rules.ts";
import { drawSchedule, scheduleText, type Schedule } from "./schedule.ts";
import { play, type Played } from "./world.ts";

export interface Proof {
  readonly schedules: number;
  readonly rounds: number;
  readonly restarts: number;
  /** Faults played, by name. */
  readonly faults: Readonly<Record<string, number>>;
  readonly failure: Failure | undefined;
}

export interface Failure {
  readonly seed: number;
  readonly broken: string;
  /** The shortest schedule found that breaks a promise. */
  readonly shortest: Schedule;
  /** For people: the schedule, the promise, what happened. */
  readonly text: string;
}

/** Plays `count` schedules from `firstSeed` on; stops at the first failure. Rules are made anew for each schedule. */
export async function prove(
  { firstSeed, count }: { readonly firstSeed: number; readonly count: number },
  rules: () => Rules = () => rightRules,
): Promise<Proof> {
  let [rounds, restarts] = [0, 0];
  const faults: Record<string, number> = {};
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const schedule = drawSchedule(seed);
    const played = await play(schedule, rules());
    rounds += played.rounds;
    restarts += played.restarts;
    for (const { fault } of schedule.faults) faults[fault] = (faults[fault] ?? 0) + 1;
    if (played.broken === undefined) continue;
    return { schedules: seed - firstSeed + 1, rounds, restarts, faults, failure: await shorten(schedule, rules) };
  }
  return { schedules: count, rounds, restarts, faults, failure: undefined };
}

/** Takes faults, workers and rules away for as long as some promise is still broken. */
export async function shorten(schedule: Schedule, rules: () => Rules): Promise<Failure> {
  let shortest = schedule;
  let played = await play(shortest, rules());
  for (let shorter = true; shorter;) {
    shorter = false;
    for (const candidate of shorterThan(shortest)) {
      const tried = await play(candidate, rules());
      if (tried.broken === undefined) continue;
      [shortest, played, shorter] = [candidate, tried, true];
      break;
    }
  }
  const broken = played.broken ?? "it fails only sometimes: something is not seeded";
  return { seed: schedule.seed, broken, shortest, text: failureText(shortest, played, broken) };
}

function* shorterThan(schedule: Schedule): Generator<Schedule> {
  const { faults, workers, job, stored } = schedule;
  for (const left of faults) yield { ...schedule, faults: faults.filter((fault) => fault !== left) };
  const kept = workers.length - 1;
  if (kept >= 1 && !faults.some((fault) => "worker" in fault && fault.worker === kept)) {
    yield { ...schedule, workers: workers.slice(0, kept), expectedWorkers: Math.min(schedule.expectedWorkers, kept) };
  }
  if (job.rounds > 1) yield { ...schedule, job: { ...job, rounds: job.rounds - 1 } };
  if (stored && !faults.some(({ fault }) => fault.startsWith("coordinator") || fault === "disk full"))
    yield { ...schedule, stored: false };
  for (const plainer of plainerThan(job)) if (isSound(plainer)) yield { ...schedule, job: plainer };
  for (const [index, { quality }] of workers.entries()) {
    if (quality.jitterMs === 0) continue;
    const calm = workers.map((traits, i) =>
      i === index ? { ...traits, quality: { ...quality, jitterMs: 0 } } : traits,
    );
    yield { ...schedule, workers: calm };
  }
}

function* plainerThan(job: JobKnobs): Generator<JobKnobs> {
  const { round, codec, model } = job;
  for (const way of ["up", "down"] as const) {
    if (codec[way].kind !== "f32") yield { ...job, codec: { ...codec, [way]: { kind: "f32" } } };
  }
  if (model !== "weights") yield { ...job, model: "weights" };
  for (const name of ["evaluation", "late", "balance", "combine"] as const) {
    if (round[name] !== undefined) yield { ...job, round: { ...round, [name]: undefined } };
  }
  const { server } = round;
  if (Object.keys(server).length > 2) {
    yield { ...job, round: { ...round, server: { name: "sgd", learningRate: 1 } } };
  }
}

/** Lines of the trace shown; its end tells most. */
const shownLines = 60;

function failureText(schedule: Schedule, { trace }: Played, broken: string): string {
  const left = trace.length - shownLines;
  return [
    `BROKEN: ${broken}`,
    scheduleText(schedule),
    ...(left > 0 ? [`  … ${left} earlier lines`] : []),
    ...trace.slice(-shownLines).map((line) => `  ${line}`),
  ].join("\n");
}
