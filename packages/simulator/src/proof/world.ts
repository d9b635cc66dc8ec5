/** Plays one schedule: the real coordinator, its store, links and workers on a simulated network, under virtual time. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CoordinatorEvent, Decide } from "@weft/coordinator";
import { Route } from "../network/network.ts";
import { untilQuiet } from "../quiet.ts";
import { createRandom } from "../random.ts";
import { VirtualTime } from "../virtualTime.ts";
import { Audit } from "./audit.ts";
import { BrokenPromise } from "./brokenPromise.ts";
import { exactJob } from "./exactJob.ts";
import type { Fault } from "./faults.ts";
import { rightRules, type Rules } from "./rules.ts";
import type { Schedule } from "./schedule.ts";
import { VirtualCoordinator } from "./virtualCoordinator.ts";
import { VirtualWorker } from "./virtualWorker.ts";

export interface Played {
  /** The promise that was broken; undefined when all were kept. */
  readonly broken: string | undefined;
  /** Virtual milliseconds. */
  readonly endedMs: number;
  readonly rounds: number;
  /** Of the coordinator. */
  readonly restarts: number;
  /** What happened when, for people. */
  readonly trace: readonly string[];
}

/** By then every fault with a time of its own is over. */
const calmMs = 60_000;
/** Virtual time without a version after which a run counts as stuck, once no fault is to come. */
const stuckMs = 1_800_000;
/** Memory, where the system offers it as a directory. */
const memoryDirectory = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

export async function play(schedule: Schedule, rules: Rules = rightRules): Promise<Played> {
  const world = new World(schedule, rules, await exactJob(schedule.job).initial);
  let broken: string | undefined;
  try {
    await world.run();
  } catch (error) {
    if (!(error instanceof BrokenPromise)) throw error;
    broken = error.message;
  } finally {
    await world.close();
  }
  return { broken, ...world.result() };
}

class World {
  readonly #schedule: Schedule;
  readonly #time = new VirtualTime();
  readonly #audit: Audit;
  readonly #trace: string[] = [];
  readonly #directory: string | undefined;
  readonly #workers: readonly VirtualWorker[];
  /** By the identity that the coordinator gave. */
  readonly #byId = new Map<string, VirtualWorker>();
  readonly #coordinator: VirtualCoordinator;
  readonly #struck = new Set<Fault>();
  #broken: unknown;
  #finished = false;
  #rounds = 0;
  #lastRoundMs = 0;

  /** @param initial all parameters as the job begins them */
  constructor(schedule: Schedule, rules: Rules, initial: Float32Array) {
    this.#schedule = schedule;
    const job = exactJob(schedule.job);
    this.#audit = new Audit(job.checked, initial);
    this.#directory = schedule.stored ? mkdtempSync(join(memoryDirectory, "weft-proof-")) : undefined;
    const shared = {
      time: this.#time,
      note: (text: string) => {
        this.#trace.push(`${this.#time.now().toFixed(1).padStart(10)} ms  ${text}`);
      },
      broken: (error: unknown) => {
        this.#broken ??= error;
      },
    };
    this.#coordinator = new VirtualCoordinator({
      ...shared,
      schedule,
      rules,
      audit: this.#audit,
      directory: this.#directory,
      hear: (event) => {
        shared.note(JSON.stringify(event));
        this.#hear(event);
      },
      react: (event, effects) => {
        this.#react(event, effects);
      },
      turnedAway: (remote, reason) => this.#workers.find(({ route }) => route.name === remote)?.turnedAway(reason),
      died: () => {
        for (const { route } of this.#workers) route.lose("coordinator");
      },
    });
    this.#workers = schedule.workers.map((traits, index) => {
      const { unit: random } = createRandom(schedule.seed, 2, index);
      const route = new Route(`worker ${index}`, traits.quality, { clock: this.#time, random });
      const faults = schedule.faults.filter((fault) => "worker" in fault && fault.worker === index);
      const listener = () => this.#coordinator.listener;
      const restarts = () => this.#coordinator.restarts;
      const around = { rules, restarts, job, audit: this.#audit, route, random, listener };
      return new VirtualWorker({ ...shared, ...around, index, traits, faults });
    });
  }

  result(): Omit<Played, "broken"> {
    const { restarts } = this.#coordinator;
    return { endedMs: this.#time.now(), rounds: this.#rounds, restarts, trace: this.#trace };
  }

  async run(): Promise<void> {
    await this.#coordinator.start();
    for (const worker of this.#workers) worker.begin();
    for (const fault of this.#schedule.faults) this.#plan(fault);
    // When all is over, whoever is gone comes back, so that no run ends for want of workers.
    this.#time.setTimer(() => {
      for (const worker of this.#workers) worker.comeBack();
    }, calmMs);
    await this.#settle();
    while (!this.#isFinished()) {
      const idleMs = this.#time.now() - Math.max(this.#lastRoundMs, calmMs);
      const more = idleMs < stuckMs && this.#time.next();
      if (!more)
        throw new BrokenPromise(`no round was closed for ${Math.round(idleMs / 1000)} s: ${this.#stateText()}`);
      await this.#settle();
    }
    // Farewells arrive, and everyone goes home.
    const endMs = this.#time.now() + 60_000;
    while (this.#time.next(endMs)) await this.#settle();
    this.#checkEnd();
  }

  async close(): Promise<void> {
    for (const worker of this.#workers) worker.kill();
    await this.#coordinator.close();
    await untilQuiet();
    if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
  }

  /** A call, for the compiler takes a field to be what it was before an await. */
  #isFinished(): boolean {
    return this.#finished;
  }

  /** Lets everything happen that needs no time. */
  async #settle(): Promise<void> {
    await untilQuiet();
    if (this.#broken instanceof Error) throw this.#broken;
    if (this.#broken !== undefined) throw new Error("thrown by the simulation", { cause: this.#broken });
    const { nowMs, waitsForDisk } = this.#coordinator;
    if (nowMs !== undefined) this.#audit.rest(nowMs, { waitsForDisk });
    for (const worker of this.#workers) worker.checkMemory();
  }

  #checkEnd(): void {
    const { rounds } = this.#schedule.job;
    if (this.#rounds !== rounds) throw new BrokenPromise(`${this.#rounds} rounds were run of ${rounds}`);
    const { timers } = this.#coordinator;
    if (timers > 0) throw new BrokenPromise(`${timers} timers of the coordinator outlive the run`);
    for (const worker of this.#workers) worker.checkEnd();
  }

  #stateText(): string {
    const { state } = this.#audit;
    if (state === undefined) return "no round was ever opened";
    const { phase, version, expected, workers, paused } = state;
    const round =
      phase.kind === "open" ? ` ${[...phase.round.members.values()].map(({ status }) => status).join()}` : "";
    return `${phase.kind}${round} after version ${version}, ${workers.size} workers known, ${expected} expected${paused ? ", paused" : ""}`;
  }

  #hear(event: CoordinatorEvent): void {
    switch (event.event) {
      case "recovered":
        this.#audit.restarted(event.version);
        this.#rounds = event.version;
        break;
      case "workerJoined": {
        const worker = this.#workers[Number(event.name.slice(1))];
        if (worker !== undefined) this.#byId.set(event.worker, worker);
        break;
      }
      case "round":
        this.#audit.announced(event.round);
        this.#rounds = event.round;
        this.#lastRoundMs = this.#time.now();
        break;
      case "refusedWorker":
        this.#workers.find(({ route }) => route.name === event.remote)?.turnedAway(event.reason);
        break;
      case "finished":
        this.#finished = true;
        if (event.reason !== "rounds") throw new BrokenPromise(`the run ended as ${event.reason}: ${event.detail}`);
        break;
      default:
    }
  }

  /** Faults that strike at a moment of a round. */
  #react(event: Parameters<Decide>[1], effects: ReturnType<Decide>["effects"]): void {
    const round = (this.#audit.state?.version ?? 0) + 1;
    if (event.kind === "updateBegun") this.#byId.get(event.worker)?.strike("fails while sending", round);
    if (event.kind === "updateArrived") this.#byId.get(event.worker)?.strike("fails after sending", round);
    for (const effect of effects) {
      if (effect.kind !== "commit") continue;
      for (const worker of this.#workers) worker.strike("fails while the round reduces", effect.round);
      for (const fault of this.#schedule.faults) {
        const isDue = fault.fault === "coordinator killed while it writes" && fault.round === effect.round;
        if (!isDue || this.#struck.has(fault)) continue;
        this.#struck.add(fault);
        this.#coordinator.killAtWrite(fault.write, fault.backAfterMs);
      }
    }
  }

  /** Faults of no one worker that come at a fixed time. */
  #plan(fault: Fault): void {
    const at = (ms: number, strike: () => void) => {
      this.#time.setTimer(strike, ms);
    };
    if (fault.fault === "partition") {
      const routes = fault.workers.flatMap((index) => this.#workers[index]?.route ?? []);
      at(fault.atMs, () => {
        for (const route of routes) route.hold();
      });
      at(fault.atMs + fault.forMs, () => {
        for (const route of routes) route.release();
      });
    }
    if (fault.fault === "paused") {
      at(fault.atMs, () => {
        this.#coordinator.pause(1);
      });
      at(fault.atMs + fault.forMs, () => {
        this.#coordinator.pause(-1);
      });
    }
    if (fault.fault === "disk full") {
      at(fault.atMs, () => {
        this.#coordinator.fill(1);
      });
      at(fault.atMs + fault.forMs, () => {
        this.#coordinator.fill(-1);
      });
    }
    if (fault.fault === "rules change") {
      at(fault.atMs, () => {
        this.#coordinator.change(fault.changes);
      });
    }
    if (fault.fault === "coordinator killed") {
      at(fault.atMs, () => {
        this.#coordinator.kill(fault.backAfterMs);
      });
    }
  }
}
