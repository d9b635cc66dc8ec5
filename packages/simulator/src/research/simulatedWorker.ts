/**
 * A worker that is a few numbers until it has an order: what it is sent takes time by its line, its work by its speed, and the
 * update itself is computed for real when it is due at the coordinator.
 */
import { selectDataset, type Dataset } from "@weft/data";
import { protocolVersion, type Message, type MessageOf, type WorkOrder } from "@weft/protocol";
import type { Clock } from "@weft/transport";
import { codecKinds } from "@weft/vector";
import {
  LocalState,
  answerOrder,
  divideRows,
  encodeUpdate,
  fragmentFor,
  wholeModel,
  type ExampleRows,
  type Trainer,
} from "@weft/worker";
import type { MachineModel } from "./machines.ts";
import { VirtualConnection } from "./virtualConnection.ts";
import type { Versions } from "./versions.ts";

export interface WorkerWorld {
  readonly clock: Clock;
  readonly model: MachineModel;
  readonly train: Dataset;
  readonly trainer: Trainer;
  /** Decoded once for all. */
  readonly versions: Versions;
  /** Real work that virtual time waits for. */
  readonly during: (work: Promise<void>) => void;
}

type Work = MessageOf<"work">;

interface Task {
  readonly work: Work;
  cancelled: boolean;
}

export class SimulatedWorker {
  readonly connection: VirtualConnection;
  resumeToken: string | undefined;
  readonly #world: WorkerWorld;
  readonly #slowness: number;
  #jobHash = "";
  #partition: Uint32Array | undefined;
  /** Where its codec or algorithm keeps something between rounds. */
  #state: LocalState | undefined;
  #task: Task | undefined;
  /** Bytes on their way down before the next order can begin. */
  #downBytes = 0;

  /** @param slowness see `slownessOf` */
  constructor(world: WorkerWorld, name: string, slowness: number) {
    this.#world = world;
    this.#slowness = slowness;
    this.connection = new VirtualConnection(name, (message, payload, bytes) => {
      this.#receive(message, payload, bytes);
    });
  }

  /** Begins the connection; `before` is this worker on an earlier one. */
  begin(name: string, before?: SimulatedWorker): void {
    if (before !== undefined) {
      this.#partition = before.#partition;
      this.#state = before.#state;
    }
    this.connection.receive({
      kind: "hello",
      protocol: protocolVersion,
      software: "weft",
      name,
      capabilities: { device: "simulated", threads: 1, memoryBytes: 2 ** 31, codecs: [...codecKinds] },
      ...(before?.resumeToken === undefined ? {} : { resume: before.resumeToken }),
    });
  }

  /** Goes without a word; it may come back. */
  vanish(): void {
    if (this.#task !== undefined) this.#task.cancelled = true;
    this.connection.close(1006, "gone");
  }

  #receive(message: Message, payload: readonly Uint8Array[], bytes: number): void {
    switch (message.kind) {
      case "welcome":
        this.#jobHash = message.jobHash;
        this.resumeToken = message.resume;
        return;
      case "job":
        // The session sends the job from within its own handling of the hello.
        queueMicrotask(() => {
          this.connection.receive({ kind: "ready", jobHash: this.#jobHash });
        });
        return;
      case "partition": {
        const [indices] = payload;
        if (indices !== undefined) this.#partition = new Uint32Array(indices.slice().buffer);
        return;
      }
      case "weights":
        this.#downBytes += bytes;
        this.#world.versions.note(message, payload);
        return;
      case "work":
        this.#begin(message);
        return;
      case "verdict":
        this.#state?.verdict(message, message.accepted, message.version);
        return;
      case "committed":
        this.#state?.settle(message.version);
        return;
      default:
        return;
    }
  }

  #begin(work: Work): void {
    if (work.order.kind !== "evaluate" && this.#task !== undefined) this.#task.cancelled = true;
    const { clock, model } = this.#world;
    const downMs = model.latencyMs + this.#downBytes / model.downBytesPerMs;
    this.#downBytes = 0;
    const computeMs = this.#examplesOf(work.order) * model.exampleMs * this.#slowness;
    const task: Task = { work, cancelled: false };
    if (work.order.kind !== "evaluate") this.#task = task;
    const { codec } = fragmentFor(this.#world.trainer.job, work.round);
    const upMs = model.latencyMs + codec.encodedBytes / model.upBytesPerMs;
    clock.setTimer(
      () => {
        if (!task.cancelled) this.#world.during(this.#answer(task, computeMs));
      },
      downMs + computeMs + upMs,
    );
  }

  /** Examples gone through, repetitions counted; a forward pass counts a third. */
  #examplesOf(order: WorkOrder): number {
    const share = this.#partition?.length ?? 0;
    if (order.kind === "gradient") return order.examples.count;
    if (order.kind === "evaluate") return share / 3;
    return order.epochs === undefined ? (order.steps ?? 0) * Math.min(order.batchSize, share) : order.epochs * share;
  }

  async #answer({ work }: Task, computeMs: number): Promise<void> {
    const { trainer, train, versions } = this.#world;
    const { run, round, attempt, version, order } = work;
    const named = { run, round, attempt };
    const base = versions.of(work);
    if (order.kind === "evaluate") {
      const { heldOut } = this.#share();
      if (heldOut === undefined) {
        this.connection.receive({ kind: "decline", ...named, code: "no-test-data", reason: "too few examples" });
        return;
      }
      const model = await wholeModel(trainer, base, (part) => this.#state?.read(part));
      const means = await trainer.evaluate(model, selectDataset(heldOut.dataset, heldOut.rows));
      const weight = heldOut.rows.length;
      const metrics = Object.fromEntries(Object.entries(means).map(([name, mean]) => [name, mean * weight]));
      this.connection.receive({ kind: "evaluated", ...named, weight, metrics, computeMs });
      return;
    }
    const examples = {
      served: (rows: Uint32Array) => Promise.resolve({ dataset: train, rows }),
      share: () => Promise.resolve(this.#share().training),
    };
    const state = this.#state ?? new LocalState();
    const context = { round, base, examples, state };
    const { vectors, weight, metrics, figures, kept } = await answerOrder(trainer, order, context);
    if (Object.values(metrics).some((value) => !Number.isFinite(value))) {
      this.connection.receive({ kind: "decline", ...named, code: "non-finite", reason: "the loss is no number" });
      return;
    }
    const { codec, index: part } = fragmentFor(trainer.job, round);
    const { payload, owed } = encodeUpdate(codec, vectors, { seed: order.seed, state, part });
    const staged = { ...kept, ...owed };
    if (Object.keys(staged).length > 0) {
      state.stage(named, staged);
      this.#state = state;
    }
    this.connection.receive(
      {
        kind: "update",
        ...named,
        version,
        codec: codec.text,
        weight,
        metrics,
        ...(figures === undefined ? {} : { figures }),
        computeMs,
      },
      payload,
    );
  }

  #share(): { readonly training: ExampleRows; readonly heldOut: ExampleRows | undefined } {
    const { trainer, train } = this.#world;
    const whole = { dataset: train, rows: this.#partition ?? new Uint32Array() };
    const { evaluation } = trainer.job.document.round;
    const fraction = evaluation?.on === "workers" ? evaluation.heldOut : undefined;
    return fraction === undefined
      ? { training: whole, heldOut: undefined }
      : divideRows(whole, fraction, trainer.job.document.seed);
  }
}
