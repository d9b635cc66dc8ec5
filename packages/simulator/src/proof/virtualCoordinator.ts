/** The coordinator of the proof: processes one after another on the same store, each of which may be killed at any instant. */
import {
  type Changes,
  createCoordinator,
  type Coordinator,
  type CoordinatorEvent,
  CoordinatorOptionsError,
  type Decide,
  type Disk,
  RunError,
  StoreError,
} from "@weft/coordinator";
import { limitsFor } from "@weft/protocol";
import type { Clock } from "@weft/transport";
import type { Listener } from "../network/network.ts";
import { ProcessClock } from "../processClock.ts";
import type { Audit } from "./audit.ts";
import { BrokenPromise } from "./brokenPromise.ts";
import { exactJob, partOf } from "./exactJob.ts";
import { mortalDisk } from "./mortalDisk.ts";
import type { Schedule } from "./schedule.ts";
import type { Rules } from "./rules.ts";

export interface CoordinatorSurroundings {
  readonly schedule: Schedule;
  readonly rules: Rules;
  readonly time: Clock;
  readonly audit: Audit;
  /** Holds the runs of a stored schedule. */
  readonly directory: string | undefined;
  readonly hear: (event: CoordinatorEvent) => void;
  /** Something has happened in a round, and this is what follows. */
  readonly react: (event: Parameters<Decide>[1], effects: ReturnType<Decide>["effects"]) => void;
  /** A connection was closed for what came over it. */
  readonly turnedAway: (remote: string, reason: string) => void;
  /** The process is gone: whoever is connected to it is to be told by the network. */
  readonly died: () => void;
  readonly note: (text: string) => void;
  readonly broken: (error: unknown) => void;
}

const servedExamples = (size: number) => ({
  size,
  rows: (indices: Uint32Array) => [Uint8Array.from(indices), Uint8Array.from(indices)],
});

export class VirtualCoordinator {
  restarts = 0;
  readonly #around: CoordinatorSurroundings;
  #process: ProcessClock;
  #coordinator: Coordinator | undefined;
  #listener: Listener | undefined;
  #run: string | undefined;
  #starting: Promise<void> = Promise.resolve();
  #isOver = false;
  /** Operators who want it to pause. */
  #pauses = 0;
  /** What fills the disk. */
  #fillings = 0;
  /** Uses of the disk until it is killed, and how long it is away then. */
  #fatalWrite: { left: number; readonly backAfterMs: number } | undefined;

  constructor(around: CoordinatorSurroundings) {
    this.#around = around;
    this.#process = new ProcessClock(around.time);
  }

  /** Whoever listens for workers now. */
  get listener(): Listener | undefined {
    // The port is closed with the run.
    return this.#process.isDead || this.#isOver ? undefined : this.#listener;
  }

  /** Undefined while no process lives. */
  get nowMs(): number | undefined {
    return this.#process.isDead ? undefined : this.#process.now();
  }

  /** Whether what it is to write waits for room. */
  get waitsForDisk(): boolean {
    return this.#coordinator?.report().phase === "waiting for disk";
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#process.pending;
  }

  async start(): Promise<void> {
    const { schedule, audit, directory } = this.#around;
    const { job, gatherMs, expectedWorkers } = schedule;
    const { encoded, checked } = exactJob(job);
    const process = new ProcessClock(this.#around.time);
    this.#process = process;
    const disk = this.#disk(process);
    const coordinator = await createCoordinator({
      ...(this.#run === undefined ? { job: encoded } : {}),
      ...(job.examples === 0 ? {} : { examples: servedExamples(job.examples) }),
      partition: (slots) => Array.from({ length: slots }, (_, index) => partOf(index, slots, job.examples)),
      evaluate: (weights, version) => {
        this.#guard(() => {
          audit.version(version, weights);
        });
        return Promise.resolve({ loss: 1 });
      },
      store:
        directory === undefined
          ? undefined
          : { directory, resume: this.#run, checkpoint: { everyRounds: 2, keep: 2 }, disk },
      run: { clock: process, gatherMs, expectedWorkers, decide: this.#decide(process) },
    });
    this.#coordinator = coordinator;
    this.#run = coordinator.run;
    // A pause outlives the process; one that was lifted while none lived is lifted now.
    this.#steerPause();
    coordinator.on((event) => {
      if (process.isDead) return;
      if (event.event === "finished") this.#isOver = true;
      this.#guard(() => {
        this.#around.hear(event);
      });
    });
    coordinator.finished.then(
      ({ rounds, weights }) => {
        if (!process.isDead)
          this.#guard(() => {
            audit.version(rounds, weights);
          });
      },
      () => undefined,
    );
    coordinator.finished.catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      if (!process.isDead) this.#around.broken(new BrokenPromise(`the run failed: ${reason}`));
    });
    this.#listener = this.#listen(coordinator, process, limitsFor({ parameters: checked.shared.size }));
  }

  pause(change: 1 | -1): void {
    this.#pauses += change;
    this.#steerPause();
  }

  #steerPause(): void {
    this.#steer((coordinator) => {
      if (this.#pauses > 0) coordinator.pause();
      else coordinator.unpause();
    });
  }

  /** Something takes all the room on the disk, or is gone again. */
  fill(change: 1 | -1): void {
    this.#fillings += change;
    // Whoever was refused for want of room asks again.
    if (this.#fillings === 0) this.#steerPause();
  }

  /** As an operator asks for it, who is told where it makes no sense, or nobody is there. */
  change(changes: Changes): void {
    this.#steer((coordinator) => {
      coordinator.change(changes);
    });
  }

  /** An operator is told of what makes no sense, comes too late, or cannot be written. */
  #steer(act: (coordinator: Coordinator) => void): void {
    const isGone = () => this.#process.isDead || this.#isOver;
    if (this.#coordinator === undefined || isGone()) return;
    try {
      act(this.#coordinator);
    } catch (error) {
      const isRefusal = error instanceof CoordinatorOptionsError || error instanceof RunError;
      const isPassing = error instanceof StoreError && error.passing;
      // The process may have died over the write.
      if (!isRefusal && !isPassing && !isGone()) throw error;
    }
  }

  /** Dies at its so many-th use of the disk from now on. */
  killAtWrite(write: number, backAfterMs: number): void {
    this.#fatalWrite = { left: write, backAfterMs };
  }

  kill(backAfterMs: number): void {
    if (this.#process.isDead || this.#isOver) return;
    this.#die();
    this.#reviveAfter(backAfterMs);
  }

  #reviveAfter(backAfterMs: number): void {
    this.#around.time.setTimer(() => {
      this.#starting = this.#revive(this.#coordinator);
      this.#starting.catch((error: unknown) => {
        this.#around.broken(error);
      });
    }, backAfterMs);
  }

  /** The world ends. */
  async close(): Promise<void> {
    this.#die();
    await this.#starting.catch(() => undefined);
    this.#die();
    await this.#coordinator?.abort();
  }

  #die(): void {
    this.#process.kill();
    this.#fatalWrite = undefined;
    this.#around.died();
  }

  async #revive(dead: Coordinator | undefined): Promise<void> {
    await dead?.abort();
    this.restarts += 1;
    try {
      await this.start();
    } catch (error) {
      // Whoever is told that its disk is full starts it again.
      if (!(error instanceof StoreError && error.passing)) throw error;
      this.#process.kill();
      this.#reviveAfter(1000);
    }
  }

  #listen(coordinator: Coordinator, process: ProcessClock, limits: ReturnType<typeof limitsFor>): Listener | undefined {
    return {
      process,
      clock: process,
      link: {
        accepts: "worker",
        limits,
        heartbeatMs: 5000,
        maxMessagesPerSecond: 2000,
        onFault: ({ remote, code, reason, cause }) => {
          this.#around.note(`the coordinator closes ${remote}: ${code} ${reason}`);
          if (code === 1011) this.#around.broken(cause);
          this.#around.turnedAway(remote, reason);
        },
      },
      accept: (link) => {
        coordinator.attach(link);
      },
    };
  }

  #decide(process: ProcessClock): Decide {
    return (state, event) => {
      const stepped = this.#around.rules.decide(state, event);
      if (!process.isDead) {
        this.#guard(() => {
          this.#around.audit.step(state, event, stepped);
        });
        this.#around.react(event, stepped.effects);
      }
      return stepped;
    };
  }

  #disk(process: ProcessClock): Disk {
    const isAlive = () => {
      const fatal = this.#fatalWrite;
      if (!process.isDead && fatal !== undefined && fatal.left-- === 0) {
        this.#around.note("fault: the coordinator is killed while it writes");
        this.kill(fatal.backAfterMs);
      }
      return !process.isDead;
    };
    return mortalDisk(this.#around.rules.disk, { isAlive, isFull: () => this.#fillings > 0 });
  }

  #guard(check: () => void): void {
    try {
      check();
    } catch (error) {
      this.#around.broken(error);
    }
  }
}
