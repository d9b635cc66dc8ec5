/**
 * A worker that is a few numbers until it has an order: what it is sent takes time by its line, its work by its speed, and the
 * update itself, computed for real, arrives at the coordinator when it is due there.
 */
import type { Dataset } from "@weft/data";
import type { Message, MessageOf, WorkOrder } from "@weft/protocol";
import type { Clock } from "@weft/transport";
import { LocalState, divideRows, fragmentFor, type CheckedJob, type StateVectors, type UpdateName } from "@weft/worker";
import type { Compute, TrainingAnswer } from "../compute/compute.ts";
import type { Ahead, Planned } from "./ahead.ts";
import type { MachineModel } from "./machines.ts";
import { VirtualConnection } from "./virtualConnection.ts";
import type { Versions } from "./versions.ts";

export interface WorkerWorld {
  readonly clock: Clock;
  readonly model: MachineModel;
  readonly job: CheckedJob;
  readonly train: Dataset;
  readonly compute: Compute;
  readonly ahead: Ahead;
  /** Decoded once for all. */
  readonly versions: Versions;
  /** Real work that virtual time waits for. */
  readonly during: (work: Promise<void>) => void;
  /** Calls back once the coordinator has done all it can do at this moment of virtual time. */
  readonly whenQuiet: (callback: () => void) => void;
}

/** What a worker keeps while it has no connection. */
export interface Kept {
  partition: Uint32Array | undefined;
  /** Where its codec or algorithm keeps something between rounds. */
  state: LocalState | undefined;
}

type Work = MessageOf<"work">;

interface Task {
  cancelled: boolean;
  readonly planned: Planned | undefined;
}

const noRows = new Uint32Array();

export class SimulatedWorker {
  readonly connection: VirtualConnection;
  readonly #world: WorkerWorld;
  readonly #slowness: number;
  readonly #kept: Kept;
  #task: Task | undefined;
  /** An update whose bytes the coordinator may still read where they lie. */
  #sent: { readonly named: UpdateName; readonly answer: TrainingAnswer } | undefined;
  /** Bytes on their way down before the next order can begin. */
  #downBytes = 0;

  /** @param slowness see `slownessOf` */
  constructor(
    world: WorkerWorld,
    kept: Kept,
    { name, slowness }: { readonly name: string; readonly slowness: number },
  ) {
    this.#world = world;
    this.#kept = kept;
    this.#slowness = slowness;
    this.connection = new VirtualConnection(name, (message, payload, bytes) => {
      this.#receive(message, payload, bytes);
    });
  }

  /** Gives up what it was doing; it may come back. */
  vanish(): void {
    if (this.#task !== undefined) cancel(this.#task);
  }

  #receive(message: Message, payload: readonly Uint8Array[], bytes: number): void {
    switch (message.kind) {
      case "partition":
        this.#kept.partition = indicesOf(payload);
        return;
      case "weights":
        this.#downBytes += bytes;
        this.#world.versions.note(message, payload);
        return;
      case "work":
        this.#begin(message);
        return;
      case "verdict":
        this.#kept.state?.verdict(message, message.accepted, message.version);
        this.#letGoOf(message);
        return;
      case "committed":
        this.#kept.state?.settle(message.version);
        return;
      default:
        return;
    }
  }

  #begin(work: Work): void {
    const { clock, model, job, ahead, versions, during } = this.#world;
    const { order } = work;
    const downMs = model.latencyMs + this.#downBytes / model.downBytesPerMs;
    this.#downBytes = 0;
    const computeMs = this.#examplesOf(order) * model.exampleMs * this.#slowness;
    const upMs = model.latencyMs + fragmentFor(job, work.round).codec.encodedBytes / model.upBytesPerMs;
    const inMs = downMs + computeMs + upMs;
    if (order.kind === "evaluate") {
      clock.setTimer(() => {
        during(this.#evaluate(work, computeMs));
      }, inMs);
      return;
    }
    if (this.#task !== undefined) cancel(this.#task);
    const given = {
      order,
      round: work.round,
      base: versions.of(work),
      rows: this.#share().training,
      state: this.#state(),
    };
    const planned = ahead.plan(given, clock.now() + inMs);
    const task: Task = { planned, cancelled: false };
    this.#task = task;
    clock.setTimer(() => {
      if (!task.cancelled) during(planned.answer().then((answer) => this.#send(work, { answer, computeMs })));
    }, inMs);
  }

  /** Examples gone through, repetitions counted; a forward pass counts a third. */
  #examplesOf(order: WorkOrder): number {
    const share = this.#kept.partition?.length ?? 0;
    if (order.kind === "gradient") return order.examples.count;
    if (order.kind === "evaluate") return share / 3;
    return order.epochs === undefined ? (order.steps ?? 0) * Math.min(order.batchSize, share) : order.epochs * share;
  }

  #send(work: Work, { answer, computeMs }: { readonly answer: TrainingAnswer; readonly computeMs: number }): void {
    const { run, round, attempt, version } = work;
    const named = { run, round, attempt };
    const { job, compute } = this.#world;
    if (answer.kind === "declined") {
      const { code, reason } = answer;
      this.connection.receive({ kind: "decline", ...named, code, reason: reason.slice(0, 2000) });
      compute.done(answer);
      return;
    }
    const { payload, weight, metrics, figures, kept } = answer;
    if (Object.keys(kept).length > 0) (this.#kept.state ??= new LocalState()).stage(named, kept);
    const codec = fragmentFor(job, round).codec.text;
    const told = { version, codec, weight, metrics, ...(figures === undefined ? {} : { figures }), computeMs };
    const { kind = "mean" } = job.document.round.combine ?? {};
    // A rule that sees updates side by side keeps them for longer than the memory that they were computed in is theirs.
    const bytes = kind === "mean" ? payload : payload.map((part) => part.slice());
    this.#sent = { named, answer };
    this.connection.receive({ kind: "update", ...named, ...told }, bytes);
  }

  /** The update is in the sums, or refused: its memory may serve another. */
  #letGoOf({ round, attempt }: UpdateName): void {
    const sent = this.#sent;
    if (sent?.named.round !== round || sent.named.attempt !== attempt) return;
    this.#sent = undefined;
    this.#world.whenQuiet(() => {
      this.#world.compute.done(sent.answer);
    });
  }

  async #evaluate(work: Work, computeMs: number): Promise<void> {
    const { run, round, attempt } = work;
    const named = { run, round, attempt };
    const { compute, versions } = this.#world;
    const { heldOut: rows } = this.#share();
    if (rows === undefined) {
      this.connection.receive({ kind: "decline", ...named, code: "no-test-data", reason: "too few examples" });
      return;
    }
    const means = await compute.measure({ base: versions.of(work), rows, state: this.#state() });
    const metrics = Object.fromEntries(Object.entries(means).map(([name, mean]) => [name, mean * rows.length]));
    this.connection.receive({ kind: "evaluated", ...named, weight: rows.length, metrics, computeMs });
  }

  #share(): { readonly training: Uint32Array; readonly heldOut: Uint32Array | undefined } {
    const { train: dataset, job } = this.#world;
    const { evaluation } = job.document.round;
    const rows = this.#kept.partition ?? noRows;
    if (evaluation?.on !== "workers" || evaluation.heldOut === undefined) return { training: rows, heldOut: undefined };
    const { training, heldOut } = divideRows({ dataset, rows }, evaluation.heldOut, job.document.seed);
    return { training: training.rows, heldOut: heldOut?.rows };
  }

  /** What it kept, as its next update is to find it. */
  #state(): StateVectors {
    const { state } = this.#kept;
    if (state === undefined) return {};
    const { settled, staged } = state.snapshot();
    const names = new Set(
      [settled, ...staged.map(({ vectors }) => vectors)].flatMap((vectors) => Object.keys(vectors)),
    );
    return Object.fromEntries([...names].flatMap((name) => [[name, state.read(name)] as const].filter(isThere)));
  }
}

const isThere = (entry: readonly [string, Float32Array | undefined]): entry is readonly [string, Float32Array] =>
  entry[1] !== undefined;

function cancel(task: Task): void {
  task.cancelled = true;
  task.planned?.cancel();
}

/** They lie as they were served, which is as numbers lie. */
function indicesOf([bytes = new Uint8Array()]: readonly Uint8Array[]): Uint32Array {
  return new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
}
