/** The machines of a simulation: how fast each computes, how it is connected, and when it is there. */
import { createRandom } from "../random.ts";

export interface MachineModel {
  /** Training on one example takes a machine of median speed so long. */
  readonly exampleMs: number;
  /** Standard deviation of the logarithm of speed: 0 for equal machines; with 0.7 one in six is twice as fast as the median. */
  readonly spread: number;
  readonly upBytesPerMs: number;
  readonly downBytesPerMs: number;
  /** One way. */
  readonly latencyMs: number;
  /** Share of the time that a machine is there. */
  readonly availability: number;
  /** How long it stays, on average, where it is not there always. */
  readonly stayMs: number;
  /** When machines are there, as was measured of real ones; in place of `availability` and `stayMs`. */
  readonly stays?: Stays;
}

/** From and to, in milliseconds of virtual time. */
export type Stay = readonly [fromMs: number, toMs: number];

export interface Stays {
  /** After so long everything begins again. */
  readonly periodMs: number;
  /** Of each machine, ascending and apart, within the period. Where there are more machines than these, they take them in turn. */
  readonly machines: readonly (readonly Stay[])[];
}

export const usualMachines: MachineModel = {
  exampleMs: 1,
  spread: 0.5,
  upBytesPerMs: 10_000_000 / 8000,
  downBytesPerMs: 50_000_000 / 8000,
  latencyMs: 50,
  availability: 1,
  stayMs: 600_000,
};

/** Whether every machine is there all the time. */
export const areAlwaysThere = ({ availability, stays }: MachineModel) => stays === undefined && availability >= 1;

/** How many times the median a machine takes for the same work: log-normal. */
export function slownessOf({ spread }: MachineModel, seed: number, machine: number): number {
  return Math.exp(spread * createRandom(seed, 11, machine).normal());
}

/** Whether a machine is there next, and for how long. */
export interface Standing {
  readonly isThere: boolean;
  readonly ms: number;
}

/** When a machine comes and goes, as lengths of time that take turns: as measured, or drawn. */
export function staysOf(model: MachineModel, seed: number, machine: number): { next(): Standing } {
  if (model.stays === undefined) return drawnStays(model, seed, machine);
  const { machines, periodMs } = model.stays;
  const measured = measuredStays(machines[machine % machines.length] ?? [], periodMs);
  return { next: () => measured.next().value };
}

/** It goes round; what touches, also over the end of the period, is one stay. */
function* measuredStays(stays: readonly Stay[], periodMs: number): Generator<Standing, never, void> {
  const lengths = stays.flatMap(([fromMs, toMs], i): Standing[] => [
    { isThere: false, ms: fromMs - (stays[i - 1]?.[1] ?? 0) },
    { isThere: true, ms: toMs - fromMs },
  ]);
  const round = [...lengths, { isThere: false, ms: periodMs - (stays.at(-1)?.[1] ?? 0) }].filter(({ ms }) => ms > 0);
  const [first] = round;
  if (first === undefined || round.every(({ isThere }) => isThere === first.isThere)) {
    for (;;) yield { isThere: first?.isThere ?? false, ms: Infinity };
  }
  let { isThere, ms } = first;
  for (let i = 1; ; i++) {
    const next = round[i % round.length] ?? first;
    if (next.isThere === isThere) {
      ms += next.ms;
      continue;
    }
    yield { isThere, ms };
    ({ isThere, ms } = next);
  }
}

/** It begins as it would be found at any moment. */
function drawnStays({ availability, stayMs }: MachineModel, seed: number, machine: number) {
  const random = createRandom(seed, 12, machine);
  const lasts = (meanMs: number) => -meanMs * Math.log(1 - random.unit());
  const awayMs = (stayMs * (1 - availability)) / availability;
  let isThere = !random.chance(availability);
  return {
    next(): Standing {
      isThere = !isThere;
      if (availability >= 1) return { isThere: true, ms: Infinity };
      return { isThere, ms: lasts(isThere ? stayMs : awayMs) };
    },
  };
}
