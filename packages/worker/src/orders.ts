/** Carries out the work orders of one session: finds the base version and the examples, trains, sends the update. */
import { type Dataset, selectDataset } from "@weft/data";
import type { MessageOf } from "@weft/protocol";
import type { Connection, IncomingPayload } from "@weft/transport";
import { ConnectionError } from "@weft/transport";
import { answerOrder } from "./answerOrder.ts";
import { encodeUpdate } from "./encodeUpdate.ts";
import { OrderDeclinedError } from "./errors.ts";
import { ExampleStore, allRows } from "./exampleStore.ts";
import { fragmentFor } from "./fragments.ts";
import { programFor } from "./gradientStep.ts";
import { divideRows } from "./heldOut.ts";
import { stepCost } from "./job.ts";
import { wholeModel } from "./localAnswer.ts";
import type { SessionContext } from "./options.ts";
import type { Answer } from "./order.ts";
import type { Computed } from "./pendingUpdate.ts";
import type { ExampleRows, Trainer } from "./training.ts";
import { createTurns } from "./turns.ts";

type Work = MessageOf<"work">;
/** Indices of a worker's part of the coordinator's set, if it was given one. */
type Partition = Uint32Array | undefined;

/** Sockets and timers get a turn this often while a worker trains locally. */
const yieldEveryMs = 20;

export class Orders {
  readonly #connection: Connection;
  readonly #context: SessionContext;
  readonly #requests = new Map<number, PromiseWithResolvers<Uint8Array>>();
  #nextRequest = 0;
  /** The share sent last, once it is there. */
  #sharing: Promise<Partition>;
  #latest: Work | undefined;
  #trainer: Trainer | undefined;
  /** The newest version there is, as far as this worker was told, and how long the last one took to arrive. */
  #newestVersion = 0;
  #downloadMs = 0;
  #underway = 0;
  #idle = Promise.withResolvers<undefined>();
  #draining = false;

  constructor(connection: Connection, context: SessionContext) {
    this.#connection = connection;
    this.#context = context;
    this.#sharing = Promise.resolve(context.identity.partition);
  }

  begin(trainer: Trainer): void {
    this.#trainer = trainer;
  }

  /** The run is another than before: the share of the examples that was kept is none of its. */
  forgetShare(): void {
    this.#sharing = Promise.resolve(undefined);
  }

  /** A version is on its way; orders on it wait for it. */
  weights(message: MessageOf<"weights">, payload: IncomingPayload): void {
    if (!this.#trainer) {
      payload.discard();
      return;
    }
    const { clock, identity } = this.#context;
    const startedAt = clock.now();
    const decoding = { job: this.#trainer.job, turns: createTurns(clock, yieldEveryMs) };
    void identity.versions.receive(message, payload, decoding).then(() => (this.#downloadMs = clock.now() - startedAt));
  }

  committed(version: number): void {
    this.#newestVersion = version;
  }

  /** Takes no further order; resolves once the one under way is done and its update answered. */
  async drain(): Promise<void> {
    this.#draining = true;
    while (this.#underway > 0) await this.#idle.promise;
    await this.#context.identity.pending.answered();
  }

  /**
   * This worker's share of the coordinator's examples is on its way: that of the orders which come after it. Those of before are
   * carried out on the share that they were given on.
   */
  async partition(payload: IncomingPayload): Promise<void> {
    const arriving = payload.collect().then((bytes) => new Uint32Array(bytes.slice().buffer));
    this.#sharing = arriving;
    this.#context.identity.partition = await arriving;
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
    // Who is about to leave finishes what it has, and takes nothing else.
    if (order.kind !== "evaluate" && !this.#draining) this.#latest = work;
    this.#underway += 1;
    try {
      const partition = await this.#sharing;
      if (order.kind === "evaluate") await this.#sendEvaluation(work, partition);
      else await this.#sendUpdate(work, partition);
    } catch (error) {
      // The coordinator has answered before it had all of the update.
      if (error instanceof ConnectionError && error.code === "aborted") return;
      if (!(error instanceof OrderDeclinedError)) throw error;
      this.#context.emit({ event: "declined", round, code: error.reasonCode, reason: error.message });
      const reason = error.message.slice(0, 2000);
      await this.#connection.send({ kind: "decline", run, round, attempt, code: error.reasonCode, reason });
    } finally {
      this.#underway -= 1;
      this.#idle.resolve(undefined);
      this.#idle = Promise.withResolvers();
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

  async #sendUpdate(work: Work, partition: Partition): Promise<void> {
    const { identity, emit } = this.#context;
    // An order that was given before the connection broke may have been carried out already.
    const { message } = identity.pending.of(work, partition) ?? (await this.#compute(work, partition));
    await identity.pending.send(this.#connection);
    const { round, weight, metrics, computeMs } = message;
    emit({ event: "update", round, loss: (metrics["loss"] ?? NaN) / Math.max(1, weight), examples: weight, computeMs });
  }

  async #compute(work: Work, partition: Partition): Promise<Computed> {
    if (!this.#trainer) throw new OrderDeclinedError("not-ready", "work came before the job");
    if (this.#draining) throw new OrderDeclinedError("leaving", "this worker is about to leave");
    const { clock, identity, random } = this.#context;
    const startedAt = clock.now();
    const { vectors, weight, metrics, figures, kept } = await this.#train(this.#trainer, work, partition);
    const computeMs = clock.now() - startedAt;
    // What it leaves behind must not take the place of what was counted since.
    this.#assertLatest(work);
    const broken = Object.entries(metrics).find(([, value]) => !Number.isFinite(value));
    if (broken) {
      const [name, value] = broken;
      throw new OrderDeclinedError(
        "non-finite",
        `the ${name} became ${value}; lower the learning rate or check the data`,
      );
    }
    const { run, round, attempt, version } = work;
    const { job } = this.#trainer;
    const { codec, index: part } = fragmentFor(job, round);
    const seed = work.order.kind === "evaluate" ? 0 : work.order.seed;
    const { state, encodings } = identity;
    // Of a vector in fragments, two encodings of each would take more memory than they save time.
    const room = job.fragments.length === 1 ? encodings : undefined;
    const { payload, owed } = encodeUpdate(codec, vectors, { seed, state, part, room });
    const message = {
      kind: "update",
      run,
      round,
      attempt,
      version,
      codec: codec.text,
      weight,
      metrics,
      ...(figures === undefined ? {} : { figures }),
      computeMs,
    } as const;
    const computed = { work, partition, message, payload };
    state.stage(work, { ...owed, ...kept });
    // Before it is sent: what it leaves behind must not be lost once it counts.
    await this.#context.stored.save();
    identity.pending.keep(computed, transferName(work, random));
    return computed;
  }

  async #sendEvaluation(work: Work, partition: Partition): Promise<void> {
    if (!this.#trainer) throw new OrderDeclinedError("not-ready", "work came before the job");
    const startedAt = this.#context.clock.now();
    const { versions, state } = this.#context.identity;
    const travelled = await versions.of(work.version, work.versionHash);
    const base = await wholeModel(this.#trainer, travelled, (name) => state.read(name));
    const examples = await this.#heldOut(this.#trainer, partition);
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

  async #train(trainer: Trainer, work: Work, partition: Partition): Promise<Answer> {
    const { order } = work;
    if (order.kind === "evaluate") throw new Error("an order to evaluate asks for no update");
    const { versions, state, encodings } = this.#context.identity;
    const { job } = trainer;
    // Trainers work one order at a time, and one that was superseded sends nothing: nobody else writes here until it goes out.
    const room = order.kind === "local" && job.fragments.length === 1 ? encodings.change(job.manifest.size) : undefined;
    return answerOrder(trainer, order, {
      round: work.round,
      base: await versions.of(work.version, work.versionHash),
      state,
      room,
      examples: {
        served: (indices) => this.#served(trainer).rows(indices, (asked) => this.#fetch(asked)),
        share: () => this.#trainingShare(trainer, partition),
      },
      begin: (training) => {
        this.#checkPolicy(trainer, training);
        return this.#betweenSteps(work, training.steps);
      },
    });
  }

  /** Declines an order that takes more arithmetic than this worker gives to one. */
  #checkPolicy({ job }: Trainer, { steps, batch }: { readonly steps: number; readonly batch: number }): void {
    const { maxOrderFlops = Infinity } = this.#context.options.policy;
    if (maxOrderFlops === Infinity) return;
    const flops = steps * stepCost(programFor(job, batch).program).flops;
    if (flops <= maxOrderFlops) return;
    throw new OrderDeclinedError(
      "policy",
      `${steps} steps take about ${(flops / 1e9).toFixed(0)} GFLOP; this worker gives ${(maxOrderFlops / 1e9).toFixed(0)} to an order`,
    );
  }

  /**
   * Gives up on an order that a newer one has superseded, lets sockets and timers run now and then, and asks for the next
   * base in time to have it when this order is done.
   */
  #betweenSteps(work: Work, steps: number): () => Promise<void> {
    const { clock } = this.#context;
    const turns = createTurns(clock, yieldEveryMs);
    const startedAt = clock.now();
    let done = 0;
    let asked = false;
    return async () => {
      this.#assertLatest(work);
      done += 1;
      const leftMs = ((clock.now() - startedAt) / done) * (steps - done);
      if (!asked && this.#newestVersion > work.version && leftMs <= this.#downloadMs) {
        asked = true;
        this.#connection.send({ kind: "prefetch" }).catch(() => undefined); // the session hears of a lost link
      }
      await turns.take();
    };
  }

  /** Gives up on an order that a newer one has superseded, or whose session is over. */
  #assertLatest(work: Work): void {
    if (this.#latest !== work) throw new OrderDeclinedError("superseded", "a newer order came");
  }

  /** The worker's share without what it holds out. */
  async #trainingShare(trainer: Trainer, partition: Partition): Promise<ExampleRows> {
    const share = await this.#ownShare(trainer, partition);
    const fraction = this.#context.identity.testData ? undefined : heldOutFraction(trainer);
    return fraction === undefined ? share : divideRows(share, fraction, trainer.job.document.seed).training;
  }

  /** What the worker measures versions on: a test set it brought, or what the job has it hold out. */
  async #heldOut(trainer: Trainer, partition: Partition): Promise<Dataset> {
    const { testData } = this.#context.identity;
    if (testData) return testData;
    const fraction = heldOutFraction(trainer);
    if (fraction === undefined) {
      throw new OrderDeclinedError(
        "no-test-data",
        "the job holds no examples out, and this worker brought no test set",
      );
    }
    const { heldOut } = divideRows(await this.#ownShare(trainer, partition), fraction, trainer.job.document.seed);
    if (!heldOut) throw new OrderDeclinedError("no-test-data", "too few examples to hold one out");
    return selectDataset(heldOut.dataset, heldOut.rows);
  }

  /** Data the worker brought, or its partition of the coordinator's set. */
  async #ownShare(trainer: Trainer, partition: Partition): Promise<ExampleRows> {
    const { identity } = this.#context;
    if (identity.ownData) return allRows(identity.ownData);
    if (!partition) {
      throw new OrderDeclinedError(
        "no-data",
        "this order is for a worker's own share, and none was assigned or brought",
      );
    }
    return this.#served(trainer).rows(partition, (asked) => this.#fetch(asked));
  }

  #served({ job }: Trainer): ExampleStore {
    return (this.#context.identity.served ??= new ExampleStore(job.document.data));
  }

  async #fetch(indices: Uint32Array): Promise<Uint8Array> {
    const request = this.#nextRequest++;
    const answer = Promise.withResolvers<Uint8Array>();
    this.#requests.set(request, answer);
    // While the request is still on its way out, nobody waits for the answer yet: its failure must not end the process.
    answer.promise.catch(() => undefined);
    // The indices travel as raw little-endian bytes; every platform that runs WebAssembly is little-endian.
    await this.#connection.send({ kind: "fetch", request }, new Uint8Array(indices.slice().buffer));
    return answer.promise;
  }
}

function heldOutFraction({ job }: Trainer): number | undefined {
  const { evaluation } = job.document.round;
  return evaluation?.on === "workers" ? evaluation.heldOut : undefined;
}

/** Unlike any other that this worker has given: a coordinator must not take one payload for the rest of another. */
function transferName({ round, attempt }: Work, random: () => number): string {
  return [round, attempt, ...[random(), random()].map((value) => Math.floor(value * 2 ** 32).toString(16))].join("-");
}
