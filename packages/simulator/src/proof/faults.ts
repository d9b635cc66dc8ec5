/**
 * Everything that goes wrong in the proof, by name, as plain data: what, to whom, when. The idea of a list of named faults is
 * Hivemind's (its tests of averaging let peers fail before, while and after sending, send slowly, and so on).
 */
import type { Changes } from "@weft/coordinator";
import type { Random } from "../random.ts";

/** What a lying worker sends in place of its update. */
export const lies = [
  "NaN",
  "infinity",
  "norm beyond the bound",
  "too short",
  "too long",
  "another round",
  "another version",
  "weight of many",
  "weight of none",
  "another codec",
  "another run",
  "its last update again",
  "the update twice",
  "garbage",
  "an unknown message",
  "a chunk of nothing",
] as const;
export type Lie = (typeof lies)[number];

export type Fault =
  | {
      readonly fault: "killed";
      readonly worker: number;
      readonly atMs: number;
      readonly backAfterMs: number | undefined;
    }
  | {
      readonly fault: "leaves";
      readonly worker: number;
      readonly atMs: number;
      readonly backAfterMs: number | undefined;
    }
  | { readonly fault: "connection lost"; readonly worker: number; readonly atMs: number }
  /** One side takes the connection for lost; the other is not told. */
  | {
      readonly fault: "half open";
      readonly worker: number;
      readonly atMs: number;
      readonly lostBy: "worker" | "coordinator";
    }
  | { readonly fault: "fails before sending"; readonly worker: number; readonly round: number }
  | { readonly fault: "fails while sending"; readonly worker: number; readonly round: number }
  /** The update is there, its verdict is not: the worker will send it again. */
  | { readonly fault: "fails after sending"; readonly worker: number; readonly round: number }
  | { readonly fault: "fails while the round reduces"; readonly worker: number; readonly round: number }
  | { readonly fault: "sends slowly"; readonly worker: number; readonly atMs: number; readonly forMs: number }
  /** Connected and alive, but its training takes so much longer. */
  | { readonly fault: "stalls"; readonly worker: number; readonly round: number; readonly forMs: number }
  /** The whole process stands still, as on a laptop whose lid is shut. */
  | { readonly fault: "freezes"; readonly worker: number; readonly atMs: number; readonly forMs: number }
  | { readonly fault: "partition"; readonly workers: readonly number[]; readonly atMs: number; readonly forMs: number }
  /** What is sent from then on takes so much longer; a later connection may overtake an earlier one. */
  | {
      readonly fault: "delay";
      readonly worker: number;
      readonly atMs: number;
      readonly forMs: number;
      readonly latencyMs: number;
    }
  | { readonly fault: "skewed clock"; readonly worker: number; readonly offsetMs: number; readonly rate: number }
  | { readonly fault: "lies"; readonly worker: number; readonly round: number; readonly lie: Lie }
  | { readonly fault: "paused"; readonly atMs: number; readonly forMs: number }
  /** Nothing can be written to it meanwhile. */
  | { readonly fault: "disk full"; readonly atMs: number; readonly forMs: number }
  /** An operator's. */
  | { readonly fault: "rules change"; readonly atMs: number; readonly changes: Changes }
  | { readonly fault: "coordinator killed"; readonly atMs: number; readonly backAfterMs: number }
  /** At its so many-th use of the disk after a round's commit began; 0 is the first. */
  | {
      readonly fault: "coordinator killed while it writes";
      readonly round: number;
      readonly write: number;
      readonly backAfterMs: number;
    };

export type FaultName = Fault["fault"];

/** How often each fault is drawn, relative to the others. */
const frequencies: Readonly<Record<FaultName, number>> = {
  killed: 3,
  leaves: 3,
  "connection lost": 3,
  "half open": 2,
  "fails before sending": 2,
  "fails while sending": 3,
  "fails after sending": 3,
  "fails while the round reduces": 2,
  "sends slowly": 2,
  stalls: 2,
  freezes: 2,
  partition: 2,
  delay: 2,
  "skewed clock": 1,
  lies: 3,
  paused: 1,
  "disk full": 1,
  "rules change": 1,
  "coordinator killed": 1,
  "coordinator killed while it writes": 1,
};
const names = Object.keys(frequencies) as FaultName[];
const bag = names.flatMap((name) => Array.from({ length: frequencies[name] }, () => name));

/** Where faults are drawn from: how many workers and rounds there are, and how long trouble lasts. */
export interface Scene {
  readonly workers: number;
  readonly rounds: number;
  readonly troubleMs: number;
  /** Whether the coordinator can be killed: it needs a store to come back from. */
  readonly stored: boolean;
  /** Whether updates travel as they are, so that single values can be lied about. */
  readonly plain: boolean;
}

/** Lies about single values; a codec's bytes stand for others, of which nobody can tell whether they are true. */
const ofValues: readonly Lie[] = ["NaN", "infinity", "norm beyond the bound"];
const beside = lies.filter((lie) => !ofValues.includes(lie));

export function drawFault(random: Random, scene: Scene): Fault {
  const { workers, rounds, troubleMs, stored, plain } = scene;
  const worker = random.below(workers);
  const round = 1 + random.below(rounds);
  const atMs = Math.round(random.between(0, troubleMs));
  const forMs = Math.round(random.between(1, 1.5) ** 14 * 10);
  const backAfterMs = random.chance(0.2) ? undefined : Math.round(random.between(0, 4000));
  const fault = random.pick(bag);
  switch (fault) {
    case "killed":
    case "leaves":
      return { fault, worker, atMs, backAfterMs };
    case "connection lost":
      return { fault, worker, atMs };
    case "half open":
      return { fault, worker, atMs, lostBy: random.pick(["worker", "coordinator"]) };
    case "fails before sending":
    case "fails while sending":
    case "fails after sending":
    case "fails while the round reduces":
      return { fault, worker, round };
    case "sends slowly":
    case "freezes":
      return { fault, worker, atMs, forMs };
    case "stalls":
      return { fault, worker, round, forMs };
    case "partition": {
      const cutOff = Array.from({ length: workers }, (_, i) => i).filter(() => random.chance(0.5));
      return { fault, workers: cutOff, atMs, forMs };
    }
    case "delay":
      return { fault, worker, atMs, forMs, latencyMs: Math.round(random.between(100, 3000)) };
    case "skewed clock":
      return { fault, worker, offsetMs: Math.round(random.between(-1e6, 1e6)), rate: random.between(0.8, 1.25) };
    case "lies":
      return { fault, worker, round, lie: random.pick(plain ? lies : beside) };
    case "paused":
      return { fault, atMs, forMs };
    case "disk full":
      return stored ? { fault, atMs, forMs } : { fault: "connection lost", worker, atMs };
    case "rules change":
      return { fault, atMs, changes: drawChanges(random) };
    case "coordinator killed":
    case "coordinator killed while it writes":
      return stored ? drawKill(random, scene) : { fault: "connection lost", worker, atMs };
    default:
      return fault satisfies never;
  }
}

function drawChanges(random: Random): Changes {
  return random.pick<Changes>([
    { learningRate: 0.25 },
    { learningRate: 0.75 },
    { learningRate: 0.5, quorum: { count: 1 } },
    { quorum: { fraction: 1 }, deadlineMs: 2000 },
  ]);
}

/** The coordinator dies: at some time, or at one of the writes that make a round final. */
export function drawKill(random: Random, { rounds, troubleMs }: Scene): Fault {
  const backAfterMs = Math.round(random.between(0, 5000));
  if (random.chance(0.4)) {
    return { fault: "coordinator killed", atMs: Math.round(random.between(0, troubleMs)), backAfterMs };
  }
  const round = 1 + random.below(rounds);
  return { fault: "coordinator killed while it writes", round, write: random.below(12), backAfterMs };
}
