/**
 * Trains a job with simulated workers: the real coordinator, real updates, but time by model. Virtual time stands still while an
 * update is computed, so the result does not depend on how fast this machine is.
 */
import { createCoordinator, type CoordinatorEvent, type Evaluate, type Outcome } from "@weft/coordinator";
import { selectRows, type Dataset } from "@weft/data";
import type { Trainer } from "@weft/worker";
import { untilQuiet } from "../quiet.ts";
import { VirtualTime } from "../virtualTime.ts";
import { slownessOf, staysOf, type MachineModel } from "./machines.ts";
import { SimulatedWorker, type WorkerWorld } from "./simulatedWorker.ts";
import { Versions } from "./versions.ts";

export interface SimulationOptions {
  /** Encoded job document. */
  readonly job: Uint8Array;
  /** Of that job. */
  readonly trainer: Trainer;
  readonly train: Dataset;
  /** Measures versions; as `CoordinatorOptions.evaluate`. */
  readonly evaluate?: Evaluate | undefined;
  /** Divides the training set; as `CoordinatorOptions.partition`. */
  readonly partition: (slots: number) => readonly Uint32Array[];
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

export async function simulate(options: SimulationOptions): Promise<Simulation> {
  const { job, trainer, train, evaluate, partition, machines } = options;
  const time = new VirtualTime();
  const startedMs = performance.now();
  const coordinator = await createCoordinator({
    job,
    examples: { size: train.size, rows: (indices) => selectRows(train, indices) },
    partition,
    evaluate,
    run: { clock: time, gatherMs: 0, expectedWorkers: 1 },
  });
  // Until everyone is there, no round is to open.
  coordinator.pause();
  const history = new History(time, options);
  let isOver = false;
  coordinator.on((event) => {
    history.hear(event);
    isOver ||= event.event === "finished";
  });
  const busy = new Set<Promise<void>>();
  const world: WorkerWorld = {
    clock: time,
    model: machines,
    train,
    trainer,
    versions: new Versions(trainer.job),
    during: (work) => {
      const noted = work.finally(() => busy.delete(noted));
      busy.add(noted);
    },
  };
  const populace = new Populace(world, options, (connection) => {
    coordinator.attach(connection);
  });
  populace.begin();
  await untilQuiet();
  coordinator.unpause();
  options.signal?.addEventListener("abort", () => void coordinator.stop("interrupted"));
  for (;;) {
    await untilQuiet();
    while (busy.size > 0) {
      await Promise.all(busy);
      await untilQuiet();
    }
    if (hasEnded(isOver) || !time.next()) break;
  }
  if (!hasEnded(isOver)) await coordinator.stop("no worker is left that could go on");
  const outcome = await coordinator.finished;
  return { rounds: history.rounds, outcome, seconds: (performance.now() - startedMs) / 1000 };
}

/** A call, for the compiler takes a variable to be what it was before an await. */
const hasEnded = (isOver: boolean) => isOver;

/** Starts every worker, and lets them come and go. */
class Populace {
  readonly #world: WorkerWorld;
  readonly #options: SimulationOptions;
  readonly #attach: (connection: SimulatedWorker["connection"]) => void;

  constructor(
    world: WorkerWorld,
    options: SimulationOptions,
    attach: (connection: SimulatedWorker["connection"]) => void,
  ) {
    this.#world = world;
    this.#options = options;
    this.#attach = attach;
  }

  begin(): void {
    const { workers, machines, seed } = this.#options;
    for (let i = 0; i < workers; i++) {
      if (machines.availability >= 1) this.#arrive(i);
      else this.#live(i, staysOf(machines, seed, i));
    }
  }

  #live(machine: number, stays: ReturnType<typeof staysOf>, before?: SimulatedWorker): void {
    const { isThere, ms } = stays.next();
    const worker = isThere ? this.#arrive(machine, before) : before;
    if (!isThere) before?.vanish();
    this.#world.clock.setTimer(() => {
      this.#live(machine, stays, worker);
    }, ms);
  }

  #arrive(machine: number, before?: SimulatedWorker): SimulatedWorker {
    const { machines, seed } = this.#options;
    const name = `machine ${machine}`;
    const worker = new SimulatedWorker(this.#world, name, slownessOf(machines, seed, machine));
    this.#attach(worker.connection);
    worker.begin(name, before);
    return worker;
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
