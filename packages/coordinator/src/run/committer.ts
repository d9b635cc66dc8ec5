/** Makes rounds final: combines, steps the model, writes, encodes for the next round, evaluates. Knows no workers. */
import type { JobDocument } from "@weft/protocol";
import type { VectorCodec } from "@weft/vector";
import type { Evaluate } from "../options.ts";
import type { ServerModel } from "../model/serverModel.ts";
import { shareOf } from "../model/share.ts";
import type { RunEffect } from "../round/runEvent.ts";
import type { Changes } from "../round/state.ts";
import { type Broadcast, encodeBroadcast, encodeBroadcastInTurns } from "../session/broadcast.ts";
import type { RoundRecord, RunMeta } from "../store/database.ts";
import type { RunStore } from "../store/runStore.ts";
import type { Uploads } from "../uploads/uploads.ts";

export type CommitEffect = Extract<RunEffect, { kind: "commit" }>;

export interface CommitterParts {
  readonly document: JobDocument;
  /** Of the versions sent to workers. */
  readonly codec: VectorCodec;
  readonly model: ServerModel;
  readonly uploads: Uploads;
  readonly store: RunStore | undefined;
  readonly evaluate: Evaluate | undefined;
  /** Rounds committed before this process took over, and the training means of the last of them. */
  readonly version: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What is known of a round only once it is over. */
export interface RoundTraffic {
  readonly bytesUp: number;
  readonly bytesDown: number;
  readonly ms: number;
}

export interface Checkpointed {
  readonly path: string;
  readonly ms: number;
}

export class Committer {
  readonly #parts: CommitterParts;
  #broadcast: Broadcast;
  /** Training means of the newest round. */
  #metrics: Readonly<Record<string, number>>;
  #evaluated: { readonly version: number; readonly metrics: Readonly<Record<string, number>> } | undefined;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
    this.#metrics = parts.metrics;
    this.#broadcast = encodeBroadcast(parts.version, parts.model.weights, parts.codec);
  }

  /** The newest version as workers are sent it. */
  get broadcast(): Broadcast {
    return this.#broadcast;
  }

  get version(): number {
    return this.#broadcast.version;
  }

  get weights(): Float32Array {
    return this.#parts.model.weights;
  }

  /** Steps to the round's version and makes both durable; `traffic` is asked when the round is as good as over. */
  async commit(effect: CommitEffect, traffic: () => RoundTraffic): Promise<RoundRecord> {
    const { model, uploads, store, document, codec } = this.#parts;
    const { round, attempt, cohort, progress, learningRate } = effect;
    const { weighting } = document.round;
    const updates = effect.uploads.length;
    if (learningRate !== undefined) model.setLearningRate(learningRate);
    const { examples, metrics } = uploads.figures(effect.uploads, ["loss", ...document.metrics]);
    uploads.close(effect.uploads);
    store?.beginRound(round);
    await model.step(
      (block, out) => {
        uploads.combine(block, out);
      },
      { sink: (update) => store?.logUpdate(update), share: shareOf({ updates, examples, progress }, weighting) },
    );
    const broadcast = await encodeBroadcastInTurns(round, model.weights, codec);
    const record: RoundRecord = {
      round,
      version: round,
      attempt,
      time: Date.now(),
      cohort,
      updates,
      examples,
      metrics,
      hash: broadcast.hash,
      progress,
      ...traffic(),
    };
    await store?.commitRound(record);
    this.#broadcast = broadcast;
    this.#metrics = metrics;
    return record;
  }

  /** Writes the version whole where that is due, or in any case. */
  async checkpoint(when: "due" | "always"): Promise<Checkpointed | undefined> {
    const { store, model } = this.#parts;
    if (store === undefined || (when === "due" && !store.wantsCheckpoint)) return undefined;
    const startedMs = performance.now();
    const whole = { version: this.version, weights: model.weights, state: model.state() };
    const path = await store.checkpoint(whole, { flush: when === "always" });
    return { path, ms: performance.now() - startedMs };
  }

  /** Whether the newest version has been evaluated already. */
  get evaluated(): boolean {
    return this.#evaluated?.version === this.version;
  }

  /** Metrics of the newest version on held-out data; undefined when there is no one to ask. */
  async evaluate(): Promise<Readonly<Record<string, number>> | undefined> {
    const { evaluate } = this.#parts;
    const { version } = this;
    if (evaluate === undefined) return undefined;
    if (this.#evaluated?.version === version) return this.#evaluated.metrics;
    const metrics = await evaluate(this.weights, version);
    this.#evaluated = { version, metrics };
    return metrics;
  }

  /** Workers have measured a version. */
  noteEvaluation(version: number, metrics: Readonly<Record<string, number>>): void {
    if (version === this.version) this.#evaluated = { version, metrics };
  }

  /** What an operator changed holds over a restart, before a round was made under it. */
  saveChanges(changes: Changes): void {
    const { store } = this.#parts;
    store?.saveMeta({ ...store.meta(), changes });
  }

  /** The last evaluation of the newest version, or its round's training means. */
  get metrics(): Readonly<Record<string, number>> {
    return this.#evaluated?.version === this.version ? this.#evaluated.metrics : this.#metrics;
  }

  saveMeta(changes: Pick<RunMeta, "status" | "detail">): void {
    const { store } = this.#parts;
    store?.saveMeta({ ...store.meta(), ...changes, metrics: this.metrics });
  }

  async close(): Promise<void> {
    this.#parts.model.dispose();
    await this.#parts.store?.close();
  }
}
