/** One machine of the proof: it starts worker processes one after another, and everything that befalls them. */
import type { CoordinatorMessage, Message, MessageOf } from "@weft/protocol";
import type { Clock, Connection, OutgoingPayload } from "@weft/transport";
import type { DataContract, Dataset } from "@weft/data";
import {
  defaultPolicy,
  startWorker,
  type StateStore,
  type WorkerEvent,
  type WorkerHandle,
  type WorkerOutcome,
} from "@weft/worker";
import type { Listener, Route } from "../network/network.ts";
import { ProcessClock } from "../processClock.ts";
import { skewedClock } from "../virtualTime.ts";
import { BrokenPromise } from "./brokenPromise.ts";
import type { Audit } from "./audit.ts";
import type { ExactJob } from "./exactJob.ts";
import { exactTrainer } from "./exactTrainer.ts";
import type { Fault, FaultName } from "./faults.ts";
import { liedAbout } from "./lies.ts";
import type { Rules } from "./rules.ts";
import type { WorkerTraits } from "./schedule.ts";

export interface Surroundings {
  readonly index: number;
  readonly traits: WorkerTraits;
  /** Those that name this worker. */
  readonly faults: readonly Fault[];
  readonly job: ExactJob;
  readonly rules: Rules;
  readonly audit: Audit;
  /** Of the coordinator. */
  readonly restarts: () => number;
  readonly route: Route;
  readonly time: Clock;
  readonly random: () => number;
  readonly listener: () => Listener | undefined;
  readonly note: (text: string) => void;
  readonly broken: (error: unknown) => void;
}

/** Between them the two ends hold at most a few messages and one update of a tiny model. */
const mostBufferedBytes = 256 * 1024;

/** Why an honest worker may decline an order: it was given another, or is about to go. */
const fairReasons: readonly string[] = ["superseded", "leaving"];

const ownData = (contract: DataContract, { ownExamples: size = 0 }: WorkerTraits): Dataset => ({
  ...{ contract, size },
  columns: contract.fields.map(() => new Uint8Array(size)),
});

export class VirtualWorker {
  readonly route: Route;
  readonly #around: Surroundings;
  #process: ProcessClock;
  /** Counts the lives of what it keeps: processes that begin with nothing begin another. */
  #life = 0;
  #disk: Uint8Array | undefined;
  #worker: WorkerHandle | undefined;
  #outcome: WorkerOutcome | undefined;
  #round = 0;
  /** Faults that have struck; each does so once. */
  readonly #struck = new Set<Fault>();
  #hasLied = false;
  #lastUpdate: { readonly message: MessageOf<"update">; readonly payload: OutgoingPayload } | undefined;

  constructor(around: Surroundings) {
    this.#around = around;
    this.route = around.route;
    this.#process = new ProcessClock(around.time);
  }

  /** Starts the first process when its time has come, and plans what happens at fixed times. */
  begin(): void {
    const { time, traits, faults } = this.#around;
    time.setTimer(() => {
      if (this.#worker === undefined) this.#start();
    }, traits.joinsAtMs);
    for (const fault of faults) this.#plan(fault);
  }

  /** A new process where the last one has ended. */
  comeBack(): void {
    if (this.#process.isDead || this.#outcome !== undefined) this.#restart();
  }

  kill(): void {
    this.#process.kill();
    this.route.lose("worker");
  }

  /** The coordinator has closed a connection for what came over it. */
  turnedAway(reason: string): void {
    if (this.#hasLied) return;
    // The other end of a connection that this one has taken for lost.
    const wasHalfOpen = this.#around.faults.some(({ fault }) => fault === "half open");
    if (wasHalfOpen && reason.startsWith("no sign of life")) return;
    this.#around.broken(new BrokenPromise(`honest worker ${this.#around.index} was turned away: ${reason}`));
  }

  /** Something that a fault waits for has happened in a round. */
  strike(moment: FaultName, round: number): void {
    for (const fault of this.#due(moment, round)) {
      this.#note(fault);
      // In the next moment: whoever reports this one is in the middle of it.
      this.#around.time.setTimer(() => {
        this.route.cut();
      }, 0);
    }
  }

  checkMemory(): void {
    const { bufferedBytes } = this.route;
    if (bufferedBytes > mostBufferedBytes)
      throw new BrokenPromise(`${bufferedBytes} bytes wait on the way of worker ${this.#around.index}`);
  }

  /** After the run: whoever is there and honest was told that it is over. */
  checkEnd(): void {
    if (this.#hasLied || this.#process.isDead || this.#outcome === undefined) return;
    const { kind } = this.#outcome;
    if (kind === "refused") {
      throw new BrokenPromise(`honest worker ${this.#around.index} ended as refused: ${this.#outcome.reason}`);
    }
  }

  #start(): void {
    const { index, traits, time, job, faults, random, listener, note } = this.#around;
    const process = new ProcessClock(time);
    if (!traits.keepsState) this.#life += 1;
    const skew = faults.find((fault) => fault.fault === "skewed clock");
    const clock = skew === undefined ? process : skewedClock(process, skew);
    this.#process = process;
    this.#outcome = undefined;
    const end = { process, clock, link: { accepts: "coordinator", onFault: this.#linkFault } } as const;
    this.#worker = startWorker({
      connect: async () => this.#watched(await this.route.connect(end, listener)),
      name: `w${index}`,
      device: "simulated",
      threads: 1,
      policy: defaultPolicy,
      unreachableMs: 600_000,
      clock,
      random,
      ...(traits.ownExamples === undefined ? {} : { data: (contract) => Promise.resolve(ownData(contract, traits)) }),
      ...(traits.keepsState ? { stateStore: this.#store(process) } : {}),
      prepare: () =>
        Promise.resolve(exactTrainer(job.checked, { initial: job.initial, compute: () => this.#compute(process) })),
      onEvent: (event) => {
        if (process.isDead) return;
        note(`worker ${index}: ${JSON.stringify(event)}`);
        this.#hear(event);
      },
    });
    this.#worker.outcome.then(
      (outcome) => {
        if (!process.isDead) this.#outcome = outcome;
      },
      (error: unknown) => {
        if (!process.isDead) this.#around.broken(error);
      },
    );
  }

  #hear(event: WorkerEvent): void {
    const { index, audit, broken } = this.#around;
    if (event.event === "connected") audit.identified(event.worker, `worker ${index}, life ${this.#life}`);
    if (event.event === "declined" && !this.#hasLied && !this.#isFair(event)) {
      broken(new BrokenPromise(`honest worker ${index} could not carry out its order: ${event.code}, ${event.reason}`));
    }
    if (event.event === "stateProblem") broken(new BrokenPromise(`worker ${index}: ${event.reason}`));
  }

  /** Whether an honest worker may decline an order so: only a new process has reason to lack the base of an older one. */
  #isFair({ code, round }: Extract<WorkerEvent, { event: "declined" }>): boolean {
    return fairReasons.includes(code) || (code === "no-base" && round <= this.#around.audit.newest);
  }

  /** What outlives its processes. */
  #store(process: ProcessClock): StateStore {
    return {
      load: () => Promise.resolve(this.#disk && this.#around.rules.restores(this.#disk)),
      save: (bytes) => {
        if (!process.isDead) this.#disk = bytes.slice();
        return Promise.resolve();
      },
    };
  }

  readonly #linkFault = ({ code, reason, cause }: { code: number; reason: string; cause: unknown }): void => {
    this.#around.note(`worker ${this.#around.index} closes its connection: ${code} ${reason}`);
    if (code === 1011) this.#around.broken(cause);
  };

  /** The connection as the worker's code sees it, with a look at what passes. */
  #watched(connection: Connection): Connection {
    const { rules, restarts } = this.#around;
    const listen: Connection["listen"] = (listener) => {
      connection.listen((sent, payload) => {
        const message = rules.receives(sent as CoordinatorMessage, restarts());
        if (message.kind === "work") this.#begun(message);
        // The honest part of a liar hears nothing of the copy that it never sent.
        if (message.kind === "verdict" && message.code === "twice" && this.#hasLied) return;
        listener(message, payload);
      });
    };
    const send = (given: Message, payload?: OutgoingPayload, options?: Parameters<Connection["send"]>[2]) => {
      const message = rules.sends(given, restarts());
      return message.kind === "update"
        ? this.#sendUpdate(connection, message, payload)
        : connection.send(message, payload, options);
    };
    return new Proxy(connection, {
      get: (target, name) => {
        if (name === "listen") return listen;
        if (name === "send") return send;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    });
  }

  #begun({ round, version, versionHash }: MessageOf<"work">): void {
    this.#round = round;
    try {
      this.#around.audit.named(version, versionHash);
    } catch (error) {
      this.#around.broken(error);
    }
  }

  async #sendUpdate(
    connection: Connection,
    message: MessageOf<"update">,
    payload: OutgoingPayload | undefined,
  ): Promise<void> {
    if (payload === undefined) throw new Error("an update has a payload");
    const last = this.#lastUpdate;
    this.#lastUpdate = { message, payload };
    for (const fault of this.#due("lies", message.round)) {
      if (fault.fault !== "lies") continue;
      this.#note(fault);
      this.#hasLied = true;
      const raw = (bytes: Uint8Array) => {
        for (const { worker } of this.route.wires) worker.sendRaw(bytes);
      };
      await liedAbout(fault.lie, { message, payload, last, raw, send: (...sent) => connection.send(...sent) });
      return;
    }
    await connection.send(message, payload);
  }

  /** Training takes virtual time; faults may come before its end. */
  async #compute(process: ProcessClock): Promise<void> {
    let { computeMs } = this.#around.traits;
    for (const fault of this.#due("stalls", this.#round)) {
      this.#note(fault);
      if (fault.fault === "stalls") computeMs += fault.forMs;
    }
    await new Promise<void>((resolve) => {
      process.setTimer(resolve, computeMs);
    });
    for (const fault of this.#due("fails before sending", this.#round)) {
      this.#note(fault);
      this.route.cut();
    }
  }

  #due(name: FaultName, round: number): Fault[] {
    const due = this.#around.faults.filter(
      (fault) => fault.fault === name && "round" in fault && fault.round === round && !this.#struck.has(fault),
    );
    for (const fault of due) this.#struck.add(fault);
    return due;
  }

  #note(fault: Fault): void {
    this.#around.note(`fault: ${JSON.stringify(fault)}`);
  }

  #plan(fault: Fault): void {
    const { time } = this.#around;
    const at = (ms: number, strike: () => void) => {
      time.setTimer(() => {
        this.#note(fault);
        strike();
      }, ms);
    };
    const { quality } = this.route;
    switch (fault.fault) {
      case "killed":
        at(fault.atMs, () => {
          this.kill();
        });
        if (fault.backAfterMs !== undefined) at(fault.atMs + fault.backAfterMs, () => this.#restart());
        return;
      case "leaves":
        at(fault.atMs, () => {
          this.#worker?.stop("leaving");
        });
        if (fault.backAfterMs !== undefined) at(fault.atMs + fault.backAfterMs, () => this.#restart());
        return;
      case "connection lost":
        at(fault.atMs, () => {
          this.route.cut();
        });
        return;
      case "half open":
        at(fault.atMs, () => {
          this.route.cut([fault.lostBy]);
        });
        return;
      case "sends slowly": {
        const before = quality.bytesPerMs;
        at(fault.atMs, () => (quality.bytesPerMs = before / 100));
        at(fault.atMs + fault.forMs, () => (quality.bytesPerMs = before));
        return;
      }
      case "delay": {
        const before = quality.latencyMs;
        at(fault.atMs, () => (quality.latencyMs = fault.latencyMs));
        at(fault.atMs + fault.forMs, () => (quality.latencyMs = before));
        return;
      }
      case "freezes": {
        at(fault.atMs, () => {
          const frozen = this.#process;
          frozen.freeze();
          time.setTimer(() => {
            frozen.thaw();
          }, fault.forMs);
        });
        return;
      }
      default:
    }
  }

  #restart(): void {
    this.kill();
    this.#start();
  }
}
