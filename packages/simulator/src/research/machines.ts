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

/** How many times the median a machine takes for the same work: log-normal. */
export function slownessOf({ spread }: MachineModel, seed: number, machine: number): number {
  return Math.exp(spread * createRandom(seed, 11, machine).normal());
}

/** When a machine comes and goes, as alternating lengths of time; it begins as it would be found at any moment. */
export function staysOf({ availability, stayMs }: MachineModel, seed: number, machine: number) {
  const random = createRandom(seed, 12, machine);
  const lasts = (meanMs: number) => -meanMs * Math.log(1 - random.unit());
  const awayMs = (stayMs * (1 - availability)) / availability;
  let isThere = !random.chance(availability);
  return {
    /** Whether it is there next, and for how long. */
    next(): { readonly isThere: boolean; readonly ms: number } {
      isThere = !isThere;
      if (availability >= 1) return { isThere: true, ms: Infinity };
      return { isThere, ms: lasts(isThere ? stayMs : awayMs) };
    },
  };
}
