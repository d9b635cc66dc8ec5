/** Shows a coordinator's events: the header, the live line, and the closing words. */
import type { CoordinatorEvent, KindTraffic } from "@weft/coordinator";
import { bytes, count, duration, figure, metric } from "../terminal/format.ts";
import type { Output, Segment } from "../terminal/output.ts";
import { Milestones } from "./milestones.ts";

/** Workers beyond so many are counted, not named, as they join. */
const namedWorkers = 8;

/**
 * A listener for `coordinator.on`.
 *
 * @param about the run, for the events; `prefix` says on the lines which it is, where there are several
 */
export function runProgress(
  output: Output,
  about: { readonly run?: string; readonly prefix?: string } = {},
): (event: CoordinatorEvent) => void {
  const { run, prefix = "" } = about;
  const progress = new Progress();
  const milestones = new Milestones();
  const short = new ShortRounds();
  let measured: Evaluated | undefined;
  let recovered: number | undefined;
  const line = (text: string) => {
    output.line(prefix + text);
  };
  return (event) => {
    output.event(run === undefined ? event : { run, ...event });
    if (event.event === "recovered") {
      milestones.resumed();
      recovered = event.version;
    }
    if (event.event === "evaluated") {
      milestones.note(event);
      measured = event;
    }
    const text = short.repeats(event) ? undefined : lineOf(event, { milestones, measured, recovered });
    const crowd = event.event === "workerJoined" && event.workers > namedWorkers;
    if (crowd) output.progress([{ rank: 0, text: `${prefix}${event.workers} workers connected` }]);
    else if (text !== undefined) line(text);
    if (event.event === "round") output.progress(progress.segments(event, prefix));
  };
}

/** Rounds one after another that close short for the same cause are told of once. */
class ShortRounds {
  #last: Extract<CoordinatorEvent, { event: "closedShort" }> | undefined;

  repeats(event: CoordinatorEvent): boolean {
    if (event.event !== "closedShort") return false;
    const { asked, cause, round } = event;
    const last = this.#last;
    this.#last = event;
    return last !== undefined && last.cause === cause && last.asked === asked && round <= last.round + 1;
  }
}

type Evaluated = Extract<CoordinatorEvent, { event: "evaluated" }>;

interface SoFar {
  readonly milestones: Milestones;
  /** The last evaluation. */
  readonly measured: Evaluated | undefined;
  /** The version that a stored run went on from. */
  readonly recovered: number | undefined;
}

/** On what a version's metrics were measured: without an evaluation they are those of the round that made it. */
const measuredOn = ({ workers }: Pick<Evaluated, "workers">): string =>
  workers === undefined ? "test" : `on ${count(workers)} workers`;

/** Lines that stay on the screen; rounds are the live line's. */
function lineOf(event: CoordinatorEvent, { milestones, measured, recovered }: SoFar): string | undefined {
  switch (event.event) {
    case "listening":
      return `listening on ${event.url} · run ${event.run}`;
    case "recovered":
      return [`run ${event.run} goes on from round ${event.version}`, ...event.warnings].join("\n");
    case "workerJoined":
      return `worker ${event.name} ${event.resumed ? "came back" : "joined"} (${event.device}) · ${event.workers} connected`;
    case "crowdJoined":
      return `${event.came} workers joined (${event.device}) · ${event.workers} connected`;
    case "workerLeft":
      return `worker ${event.name} left: ${event.reason} · ${event.workers} connected`;
    case "refusedWorker":
      return `refused ${event.remote}: ${event.reason}`;
    case "gathering":
      return `waiting for workers: ${event.workers} of ${event.expected}`;
    case "reopened":
      return `round ${event.round} opens again (attempt ${event.attempt}): ${event.reason}`;
    case "closedShort":
      return `round ${event.round} closes with ${event.updates} of the ${event.asked} updates asked for: ${event.reason}`;
    case "refusedUpdate":
      return `update of ${event.worker} for round ${event.round} refused: ${event.reason}`;
    case "evaluated":
      return `round ${event.round}  ${measuredOn(event)} ${metricsText(event.metrics)}`;
    case "paused":
    case "unpaused":
      return event.event;
    case "unevaluated":
      return `round ${event.round} was not measured: ${event.reason}`;
    case "changed":
      return `changed: ${Object.entries(event.changes)
        .map(([rule, value]) => `${rule} ${JSON.stringify(value)}`)
        .join(", ")}`;
    case "waitingForDisk":
      return `waiting for the disk: ${event.reason}; trying again in ${(event.retryInMs / 1000).toFixed(1)} s`;
    case "diskIsBack":
      return `the disk takes writes again, after ${(event.waitedMs / 1000).toFixed(1)} s`;
    case "checkpointPostponed":
      return `version ${event.version} is not written whole yet: ${event.reason}`;
    case "finished": {
      const isMeasured = measured?.version === event.version;
      // A run that ended before it was resumed does not say on what its metrics were measured.
      const on = isMeasured ? `${measuredOn(measured)} ` : recovered === event.version ? "" : "training ";
      return [
        `finished (${event.reason}) after ${count(event.rounds)} rounds: ${on}${metricsText(event.metrics)}`,
        event.path,
      ]
        .filter((part) => part !== undefined)
        .join(" · ")
        .concat(trafficText(event.traffic, milestones));
    }
    case "round":
    case "checkpoint":
      return undefined;
  }
}

/** What it took: bytes up and down until an accuracy was reached, of all rounds, and of the kinds of messages that took most. */
function trafficText(traffic: readonly KindTraffic[], milestones: Milestones): string {
  const total = { bytesUp: 0, bytesDown: 0 };
  for (const { bytesUp, bytesDown } of traffic) {
    total.bytesUp += bytesUp;
    total.bytesDown += bytesDown;
  }
  if (total.bytesUp + total.bytesDown === 0) return "";
  const row = (name: string, { bytesUp, bytesDown }: typeof total) =>
    `\n  ${name.padEnd(26)} ↑ ${bytes(bytesUp).padEnd(8)} ↓ ${bytes(bytesDown)}`;
  const kinds = traffic.slice(0, shownKinds).map((entry) => row(`${entry.kind} ${entry.codec}`.trim(), entry));
  const reached = milestones
    .last(shownMilestones)
    .map(({ metric: name, level, round, ...moved }) => row(`${metric(name, level)}, round ${count(round)}`, moved));
  return [...reached, row("bytes in all", total), ...kinds].join("");
}

const shownKinds = 5;
const shownMilestones = 3;

export const metricsText = (metrics: Readonly<Record<string, number>>) =>
  Object.entries(metrics)
    .toSorted(([a], [b]) => Number(a === "loss") - Number(b === "loss"))
    .map(([name, value]) => metric(name, value))
    .join(", ");

/** Smooths what jumps from round to round. */
class Progress {
  private bytesUp = 0;
  private bytesDown = 0;
  private msPerRound: number | undefined;
  private examplesPerSecond: number | undefined;

  segments(round: Extract<CoordinatorEvent, { event: "round" }>, prefix: string): Segment[] {
    this.bytesUp += round.bytesUp;
    this.bytesDown += round.bytesDown;
    this.msPerRound = smooth(this.msPerRound, round.ms);
    this.examplesPerSecond = smooth(this.examplesPerSecond, round.examplesPerSecond);
    const { totalRounds } = round;
    const left = totalRounds === undefined ? undefined : ((totalRounds - round.round) * this.msPerRound) / 1000;
    return [
      { rank: 0, text: `${prefix}round ${round.round}${totalRounds === undefined ? "" : `/${totalRounds}`}` },
      { rank: 1, text: `loss ${figure(round.loss)}` },
      ...Object.entries(round.metrics).map(([name, value]) => ({ rank: 2, text: metric(name, value) })),
      { rank: 4, text: `${count(this.examplesPerSecond)} examples/s` },
      { rank: 5, text: `${round.workers} worker${round.workers === 1 ? "" : "s"}` },
      { rank: 6, text: `↑ ${bytes(this.bytesUp)} ↓ ${bytes(this.bytesDown)}` },
      ...(left === undefined ? [] : [{ rank: 3, text: `eta ${duration(left)}` }]),
    ];
  }
}

const smooth = (before: number | undefined, now: number) => (before === undefined ? now : 0.9 * before + 0.1 * now);
