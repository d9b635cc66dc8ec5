/** Effects that are only told to those who watch. */
import type { CoordinatorEvent } from "../events.ts";
import type { RunEffect } from "../round/runEvent.ts";
import type { MovedBytes } from "./traffic.ts";

export type Announced = Extract<
  RunEffect,
  { kind: "reopened" | "closedShort" | "gathering" | "evaluated" | "unevaluated" | "changed" | "paused" }
>;

/** @param moved by all rounds so far */
export function announcementOf(effect: Announced, moved: MovedBytes): CoordinatorEvent {
  switch (effect.kind) {
    case "reopened":
      return { event: "reopened", round: effect.round, attempt: effect.attempt, reason: effect.reason };
    case "closedShort": {
      const { kind, ...facts } = effect;
      return { event: kind, ...facts };
    }
    case "gathering":
      return { event: "gathering", workers: effect.workers, expected: effect.expected };
    case "evaluated": {
      const { version, metrics, workers, examples } = effect;
      return { event: "evaluated", round: version, version, metrics, workers, examples, ...moved };
    }
    case "unevaluated":
      return { event: "unevaluated", round: effect.version, reason: effect.reason };
    case "paused":
      return { event: effect.paused ? "paused" : "unpaused" };
    case "changed":
      return { event: "changed", changes: effect.changes };
  }
}
