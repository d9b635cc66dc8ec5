/** Carries out the work orders of one session: finds the base version and the examples, trains, sends the update. */
import { type Dataset, selectDataset, shuffledSlice } from "@weft/data";
import type { ExampleChoice, MessageOf } from "@weft/protocol";
import type { Connection } from "@weft/transport";
import { ConnectionError } from "@weft/transport";
import { decodeVector } from "@weft/vector";
import { encodeUpdate } from "./encodeUpdate.ts";
import { OrderDeclinedError } from "./errors.ts";
import { ExampleStore, allRows } from "./exampleStore.ts";
import { sha256 } from "./hash.ts";
import { divideRows } from "./heldOut.ts";
import type { SessionContext } from "./options.ts";
import type { ExampleRows, ExampleSums, Trainer } from "./training.ts";
import { yieldToEvents } from "./yieldToEvents.ts";

type Work = MessageOf<"work">;

interface Base {
  readonly hash: string;
  readonly values: Float32Array;
}

/** Sockets and timers get a turn this often while a worker trains locally. */
const yieldEveryMs = 20;

export class Orders {
  readonly #connection: Connection;
  readonly #context: SessionContext;
  readonly #bases = new Map<number, Promise<Base>>();
  readonly #requests = new Map<number, PromiseWithResolvers<Uint8Array>>();
  #nextRequest = 0;
  #latest: Work | undefined;
  #trainer: Trainer | undefined;

  constructor(connection: Connection, context: SessionContext) {
    this.#connection = connection;
    this.#context = context;
  }

  begin(trainer: Trainer): void {
    this.#trainer = trainer;
  }

  /** A version is on its way; orders on it wait for it. Only the newest two are kept. */
  weights({ version, codec, hash }: MessageOf<"weights">, payload: Promise<Uint8Array>): void {
    const decoded = payload.then(async (bytes) => {
      const actual = await sha256(bytes);
      if (actual !== hash) {
        throw new OrderDeclinedError("base-hash", `version ${version} hashes to ${actual}, ${hash} was announced`);
      }
      if (!this.#trainer) throw new OrderDeclinedError("not-ready", "weights came before the job");
      const { manifest, codecs } = this.#trainer.job;
      if (codec !== codecs.down.text) {
        throw new OrderDeclinedError("base-codec", `weights as ${codec}; the job's codec is ${codecs.down.text}`);
      }
      const values = new Float32Array(manifest.size);
      decodeVector(codecs.down, bytes, values);
      return { hash, values };
    });
    decoded.catch(() => undefined); // reported to the order that waits for it
    for (const held of this.#bases.keys()) if (held < version - 1) this.#bases.delete(held);
    this.#bases.set(version, decoded);
  }

  /** This worker's share of the coordinator's examples. */
  partition(indices: Uint32Array): void {
    this.#context.identity.partition = indices;
  }

  examples(request: number, payload: Uint8Array): void {
    this.#requests.get(request)?.resolve(payload);
    this.#requests.delete(request);
  }

  /**
   * Resolves when the answer was sent or the order declined; a newer order supersedes one under way, but one to evaluate
   * takes its turn.
   */
  async carryOut(work: Work): Promise<void> {
    const { run, round, attempt, order } = work;
    if (order.kind !== "evaluate") this.#latest = work;
    try {
      if (order.kind === "evaluate") await this.#sendEvaluation(work);
      else await this.#sendUpdate(work);
    } catch (error) {
      if (!(error instanceof OrderDeclinedError)) throw error;
      this.#context.emit({ event: "declined", round, code: error.reasonCode, reason: error.message });
      const reason = error.message.slice(0, 2000);
      await this.#connection.send({ kind: "decline", run, round, attempt, code: error.reasonCode, reason });
    }
  }

  /** The session is over: whatever waits gives up. */
  abandon(): void {
    this.#latest = undefined;
    for (const { reject } of this.#requests.values()) {
      reject(new ConnectionError("closed", "the session ended while examples were on their way"));
    }
    this.#requests.clear();
  }

  async #sendUpdate(work: Work): Promise<void> {
    if (!this.#trainer) throw new OrderDeclinedError("not-ready", "work came before the job");
    const startedAt = this.#context.clock.now();
    const { values, weight, metrics } = await this.#train(this.#trainer, work);
    const computeMs = this.#context.clock.now() - startedAt;
    const broken = Object.entries(metrics).find(([, value]) => !Number.isFinite(value));
    if (broken) {
      const [name, value] = broken;
      throw new OrderDeclinedError(
        "non-finite",
        `the ${name} became ${value}; lower the learning rate or check the data`,
      );
    }
    const codec = this.#trainer.job.codecs.up;
    const { run, round, attempt, version } = work;
    const update = {
      kind: "update",
      run,
      round,
      attempt,
      version,
      codec: codec.text,
      weight,
      metrics,
      computeMs,
    } as const;
    const { state } = this.#context.identity;
    const seed = work.order.kind === "evaluate" ? 0 : work.order.seed;
    const { payload, owed } = encodeUpdate(codec, [values], { seed, state });
    state.stage(work, owed);
    await this.#connection.send(update, payload);
    this.#context.emit({
      event: "update",
      round,
      loss: (metrics["loss"] ?? NaN) / Math.max(1, weight),
      examples: weight,
      computeMs,
    });
  }

  async #sendEvaluation(work: Work): Promise<void> {
    if (!this.#trainer) throw new OrderDeclinedError("not-ready", "work came before the job");
    const startedAt = this.#context.clock.now();
    const base = await this.#baseOf(work);
    const examples = await this.#heldOut(this.#trainer);
    const means = await this.#trainer.evaluate(base, examples);
    const broken = Object.entries(means).find(([, value]) => !Number.isFinite(value));
    if (broken) throw new OrderDeclinedError("non-finite", `the ${broken[0]} on held-out examples is ${broken[1]}`);
    const weight = examples.size;
    const metrics = Object.fromEntries(Object.entries(means).map(([name, mean]) => [name, mean * weight]));
    const { run, round, attempt } = work;
    const computeMs = this.#context.clock.now() - startedAt;
    await this.#connection.send({ kind: "evaluated", run, round, attempt, weight, metrics, computeMs });
    this.#context.emit({ event: "evaluated", round, loss: means["loss"] ?? NaN, examples: weight });
  }

  async #train(trainer: Trainer, work: Work): Promise<ExampleSums & { values: Float32Array }> {
    const base = await this.#baseOf(work);
    const { order } = work;
    if (order.kind === "gradient") {
      const examples = await this.#chosenExamples(trainer, order.examples);
      const { gradient, ...sums } = await trainer.gradient(base, examples, order.seed);
      return { ...sums, values: gradient };
    }
    const { round } = trainer.job.document;
    if (order.kind === "evaluate" || round.work.kind !== "local")
      throw new OrderDeclinedError("not-in-job", "the job has no local training");
    const { change, ...sums } = await trainer.train(base, await this.#trainingShare(trainer), {
      ...order,
      optimizer: round.work.optimizer,
      onStep: this.#betweenSteps(work),
    });
    return { ...sums, values: change };
  }

  /** Gives up on an order that a newer one has superseded, and lets sockets and timers run now and then. */
  #betweenSteps(work: Work): () => Promise<void> {
    let yieldedAt = this.#context.clock.now();
    return async () => {
      if (this.#latest !== work) throw new OrderDeclinedError("superseded", "a newer order came");
      if (this.#context.clock.now() - yieldedAt < yieldEveryMs) return;
      await yieldToEvents();
      yieldedAt = this.#context.clock.now();
    };
  }

  async #baseOf({ version, versionHash }: Work): Promise<Float32Array> {
    const base = await this.#bases.get(version);
    if (!base) throw new OrderDeclinedError("no-base", `version ${version} was never sent to this worker`);
    if (base.hash !== versionHash) {
      throw new OrderDeclinedError(
        "base-hash",
        `version ${version} hashes to ${base.hash}, the order says ${versionHash}`,
      );
    }
    return base.values;
  }

  async #chosenExamples(trainer: Trainer, choice: ExampleChoice): Promise<ExampleRows> {
    if (choice.kind === "slice") {
      const indices = shuffledSlice(trainer.job.document.examples, choice.seed, choice);
      return this.#served(trainer).rows(indices, (asked) => this.#fetch(asked));
    }
    const { dataset, rows } = await this.#trainingShare(trainer);
    const start = choice.position % rows.length;
    const count = Math.min(choice.count, rows.length - start);
    const epoch = Math.floor(choice.position / rows.length);
    const picked = shuffledSlice(rows.length, choice.seed, { epoch, start, count });
    return { dataset, rows: picked.map((i) => rows[i] ?? 0) };
  }

  /** The worker's share without what it holds out. */
  async #trainingShare(trainer: Trainer): Promise<ExampleRows> {
    const share = await this.#ownShare(trainer);
    const fraction = this.#context.identity.testData ? undefined : heldOutFraction(trainer);
    return fraction === undefined ? share : divideRows(share, fraction, trainer.job.document.seed).training;
  }

  /** What the worker measures versions on: a test set it brought, or what the job has it hold out. */
  async #heldOut(trainer: Trainer): Promise<Dataset> {
    const { testData } = this.#context.identity;
    if (testData) return testData;
    const fraction = heldOutFraction(trainer);
    if (fraction === undefined) {
      throw new OrderDeclinedError(
        "no-test-data",
        "the job holds no examples out, and this worker brought no test set",
      );
    }
    const { heldOut } = divideRows(await this.#ownShare(trainer), fraction, trainer.job.document.seed);
    if (!heldOut) throw new OrderDeclinedError("no-test-data", "too few examples to hold one out");
    return selectDataset(heldOut.dataset, heldOut.rows);
  }

  /** Data the worker brought, or its partition of the coordinator's set. */
  async #ownShare(trainer: Trainer): Promise<ExampleRows> {
    const { identity } = this.#context;
    if (identity.ownData) return allRows(identity.ownData);
    if (!identity.partition) {
      throw new OrderDeclinedError(
        "no-data",
        "this order is for a worker's own share, and none was assigned or brought",
      );
    }
    return this.#served(trainer).rows(identity.partition, (asked) => this.#fetch(asked));
  }

  #served({ job }: Trainer): ExampleStore {
    return (this.#context.identity.served ??= new ExampleStore(job.document.data));
  }

  async #fetch(indices: Uint32Array): Promise<Uint8Array> {
    const request = this.#nextRequest++;
    const answer = Promise.withResolvers<Uint8Array>();
    this.#requests.set(request, answer);
    // The indices travel as raw little-endian bytes; every platform that runs WebAssembly is little-endian.
    await this.#connection.send({ kind: "fetch", request }, new Uint8Array(indices.slice().buffer));
    return answer.promise;
  }
}

function heldOutFraction({ job }: Trainer): number | undefined {
  const { evaluation } = job.document.round;
  return evaluation?.on === "workers" ? evaluation.heldOut : undefined;
}
