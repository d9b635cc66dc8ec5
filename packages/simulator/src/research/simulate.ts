/**
 * Trains a job with simulated workers: the real coordinator, real updates, but time by model. Virtual time stands still while an
 * update is computed, so the result does not depend on how fast this machine is.
 */
import {
  createCoordinator,
  type AttachedCrowd,
  type CoordinatorEvent,
  type CoordinatorOptions,
  type Outcome,
} from "@weft/coordinator";
import { selectRows, type Dataset } from "@weft/data";
import { checkJob } from "@weft/worker";
import type { Compute } from "../compute/compute.ts";
import { untilQuiet } from "../quiet.ts";
import { VirtualTime } from "../virtualTime.ts";
import { Ahead } from "./ahead.ts";
import { SimulatedCrowd } from "./crowd.ts";
import { areAlwaysThere, staysOf, type MachineModel } from "./machines.ts";
import type { WorkerWorld } from "./simulatedWorker.ts";
import { Versions } from "./versions.ts";

export interface SimulationOptions {
  /** Encoded job document. */
  readonly job: Uint8Array;
  readonly train: Dataset;
  /** Trains and measures, for that job and on that data; it stays open. */
  readonly compute: Compute;
  /** Divides the training set; as `CoordinatorOptions.partition`. */
  readonly partition: CoordinatorOptions["partition"];
  readonly workers: number;
  /** Of the machines; everything else follows from the job's own. */
  readonly seed: number;
  readonly machines: MachineModel;
  readonly onRound?: (round: SimulatedRound) => void;
  /** Ends the simulation after the round under way. */
  readonly signal?: AbortSignal | undefined;
}

export interface SimulatedRound {
  readonly round: number;
  /** Virtual time since the start. */
  readonly timeMs: number;
  /** Since the start. */
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly updates: number;
  /** Training mean over the round's examples. */
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** Of the version it made, where it was measured: on the test set, or by the workers. */
  readonly evaluated: Readonly<Record<string, number>> | undefined;
}

export interface Simulation {
  readonly rounds: readonly SimulatedRound[];
  readonly outcome: Outcome;
  /** Real time. */
  readonly seconds: number;
}

/** @throws {SimulationError} when a thread that computes has failed */
export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const { job, train, compute, partition, machines, workers, seed, signal } = options;
  const time = new VirtualTime();
  const pending = new Pending();
  const startedMs = performance.now();
  const coordinator = await createCoordinator({
    job,
    examples: { size: train.size, rows: (indices) => selectRows(train, indices) },
    partition,
    evaluate: compute.evaluate && pending.watched(compute.evaluate),
    run: { clock: time, gatherMs: 0, expectedWorkers: 1 },
  });
  // Until it is known who is there, no round is to open.
  coordinator.pause();
  const history = new History(time, options);
  let isOver = false;
  coordinator.on((event) => {
    history.hear(event);
    isOver ||= event.event === "finished";
  });
  // A run that fails has no last event, and machines would come and go for ever.
  coordinator.finished.catch(() => {
    isOver = true;
  });
  const checked = checkJob(job);
  const ahead = new Ahead(compute);
  const world: WorkerWorld = {
    ...{ clock: time, model: machines, job: checked, train, compute, ahead },
    versions: new Versions(checked),
    during: (work) => {
      pending.during(work);
    },
    whenQuiet: (callback) => {
      pending.whenQuiet.push(callback);
    },
  };
  const crowd = new SimulatedCrowd(world, { workers, seed, job, run: coordinator.run });
  const attached = coordinator.attachCrowd(crowd, workers);
  new Populace(crowd, attached, { workers, seed, machines, time }).begin();
  coordinator.unpause();
  const stop = () => void coordinator.stop("interrupted");
  if (signal?.aborted === true) stop();
  signal?.addEventListener("abort", stop);
  try {
    do {
      await pending.settle();
      ahead.fill();
    } while (!hasEnded(isOver) && time.next());
    if (!hasEnded(isOver)) await coordinator.stop("no worker is left that could go on");
    const outcome = await coordinator.finished;
    return { rounds: history.rounds, outcome, seconds: (performance.now() - startedMs) / 1000 };
  } catch (error) {
    await coordinator.abort();
    throw error;
  } finally {
    signal?.removeEventListener("abort", stop);
  }
}

/** A call, for the compiler takes a variable to be what it was before an await. */
const hasEnded = (isOver: boolean) => isOver;

/** Real work that virtual time waits for. */
class Pending {
  readonly whenQuiet: (() => void)[] = [];
  readonly #busy = new Set<Promise<void>>();
  readonly #failures: unknown[] = [];

  during(work: Promise<void>): void {
    const noted = work
      .catch((cause: unknown) => {
        this.#failures.push(cause);
      })
      .finally(() => this.#busy.delete(noted));
    this.#busy.add(noted);
  }

  /** A function whose results virtual time waits for. */
  watched<A, R>(compute: (argument: A) => Promise<R>): (argument: A) => Promise<R> {
    return (argument) => {
      const result = compute(argument);
      this.during(result.then(() => undefined));
      return result;
    };
  }

  /** Waits until nothing is left to happen at this moment of virtual time. Throws what work has failed with. */
  async settle(): Promise<void> {
    await untilQuiet();
    while (this.#busy.size > 0) {
      await Promise.all(this.#busy);
      await untilQuiet();
    }
    if (this.#failures.length > 0) throw this.#failures[0];
    for (const callback of this.whenQuiet.splice(0)) callback();
  }
}

interface Surroundings {
  readonly workers: number;
  readonly seed: number;
  readonly machines: MachineModel;
  readonly time: VirtualTime;
}

/** Lets workers come and go. */
class Populace {
  readonly #crowd: SimulatedCrowd;
  readonly #attached: AttachedCrowd;
  readonly #around: Surroundings;

  constructor(crowd: SimulatedCrowd, attached: AttachedCrowd, around: Surroundings) {
    this.#crowd = crowd;
    this.#attached = attached;
    this.#around = around;
  }

  begin(): void {
    const { workers, machines, seed } = this.#around;
    this.#crowd.greet(workers);
    if (areAlwaysThere(machines)) return;
    for (let machine = 0; machine < workers; machine++) this.#live(machine, staysOf(machines, seed, machine));
  }

  /** A machine is there, or is not, and then the other way round; all are there at first. */
  #live(machine: number, stays: ReturnType<typeof staysOf>, isFirst = true): void {
    const { isThere, ms } = stays.next();
    if (!isThere) {
      this.#crowd.vanish(machine);
      this.#attached.vanish(machine);
    } else if (!isFirst) {
      this.#crowd.greet(1);
      this.#attached.arrive(machine);
    }
    if (ms === Infinity) return;
    this.#around.time.setTimer(() => {
      this.#live(machine, stays, false);
    }, ms);
  }
}

/** Turns the coordinator's events into what came of each round. */
class History {
  readonly rounds: SimulatedRound[] = [];
  readonly #time: VirtualTime;
  readonly #options: SimulationOptions;
  #bytesUp = 0;
  #bytesDown = 0;

  constructor(time: VirtualTime, options: SimulationOptions) {
    this.#time = time;
    this.#options = options;
  }

  hear(event: CoordinatorEvent): void {
    if (event.event === "round") {
      this.#bytesUp += event.bytesUp;
      this.#bytesDown += event.bytesDown;
      const { round, updates, loss, metrics } = event;
      const totals = { bytesUp: this.#bytesUp, bytesDown: this.#bytesDown };
      this.#put(this.rounds.length, {
        round,
        timeMs: this.#time.now(),
        ...totals,
        updates,
        loss,
        metrics,
        evaluated: undefined,
      });
    }
    if (event.event !== "evaluated") return;
    const place = this.rounds.findLastIndex(({ round }) => round === event.version);
    const measured = this.rounds[place];
    if (measured === undefined) return;
    this.#put(place, { ...measured, evaluated: event.metrics });
  }

  #put(place: number, round: SimulatedRound): void {
    this.rounds[place] = round;
    this.#options.onRound?.(round);
  }
}
