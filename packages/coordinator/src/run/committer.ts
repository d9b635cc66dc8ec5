/** Makes rounds final: combines, steps the model, writes, encodes for the next round, evaluates. Knows no workers. */
import { fragmentOf, type JobDocument } from "@weft/protocol";
import type { VectorCodec } from "@weft/vector";
import type { KindTraffic } from "../events.ts";
import type { Evaluate } from "../options.ts";
import { StoreError } from "../errors.ts";
import { letGo } from "../model/letGo.ts";
import type { ServerModel } from "../model/serverModel.ts";
import { shareOf } from "../model/share.ts";
import type { Happening, RunEffect } from "../round/runEvent.ts";
import { type Broadcast, encodeBroadcastInTurns } from "../versions/broadcast.ts";
import { EarlierVersions, type IsHeld, type VersionDeltas } from "../versions/deltas.ts";
import { FragmentDeltas } from "../versions/fragmentDeltas.ts";
import type { CountedUpdate, RoundRecord, RunMeta } from "../store/records.ts";
import { isPassing, type Patience } from "../store/patience.ts";
import type { RunStore } from "../store/runStore.ts";
import type { Uploads } from "../uploads/uploads.ts";
import { CountedUpdates } from "./countedUpdates.ts";
import { type MovedBytes, type RoundTrafficEntries, sumOf, trafficByKind } from "./traffic.ts";

export type CommitEffect = Extract<RunEffect, { kind: "commit" }>;

/** What an operator may say that holds over a restart. */
export type OperatorWord = Extract<Happening, { kind: "pause" | "unpause" | "change" }>;

export interface CommitterParts {
  readonly document: JobDocument;
  /** Of the versions sent to workers. */
  readonly codec: VectorCodec;
  readonly model: ServerModel;
  readonly uploads: Uploads;
  readonly store: RunStore | undefined;
  readonly patience: Patience;
  readonly evaluate: Evaluate | undefined;
  /** A checkpoint that was due could not be written, and will be later. */
  readonly onPostponed: (version: number, reason: string) => void;
  /** Of rounds committed before this process took over: the last version, and the training means that it was made from. */
  readonly broadcast: Broadcast;
  readonly metrics: Readonly<Record<string, number>>;
}

/** What is known of a round only once it is over. */
export interface RoundTraffic extends RoundTrafficEntries {
  readonly ms: number;
  readonly counted: readonly CountedUpdate[];
}

/** One who is sent versions. */
export interface Recipient {
  /** Whether it holds the version of that hash. */
  holds(hash: string): boolean;
  /** Whether some of that version's bytes may still be on their way to it, from where they lie. */
  mayRead(hash: string): boolean;
}

const some = (recipients: ReadonlySet<Recipient>, is: (recipient: Recipient) => boolean): boolean =>
  [...recipients].some(is);

export interface Checkpointed {
  readonly path: string;
  readonly ms: number;
}

/** An order may be of an older version, as long as its time is not over. */
const hashesKept = 4096;

export class Committer {
  /** Without what it began with: the first version would be held for good. */
  readonly #parts: Omit<CommitterParts, "broadcast" | "metrics">;
  readonly #earlier: VersionDeltas;
  readonly #counted = new CountedUpdates();
  /** Of recent versions. */
  readonly #hashes = new Map<number, string>();
  #traffic: readonly KindTraffic[] = [];
  #broadcast: Broadcast;
  /** Training means of the newest round. */
  #metrics: Readonly<Record<string, number>>;
  #evaluated: { readonly version: number; readonly metrics: Readonly<Record<string, number>> } | undefined;

  constructor({ broadcast, metrics, ...parts }: CommitterParts) {
    this.#parts = parts;
    this.#metrics = metrics;
    this.#broadcast = broadcast;
    const { ranges } = parts.model;
    this.#earlier = ranges.length > 1 ? new FragmentDeltas(parts.codec, ranges) : new EarlierVersions(parts.codec);
    this.#hashes.set(broadcast.version, broadcast.hash);
    for (const record of parts.store?.rounds() ?? []) this.#note(record);
  }

  /** How many versions back one may lie whose holders need not be sent the newest whole. */
  get reach(): number {
    return this.#earlier.reach;
  }

  #note({ version, hash, counted, traffic }: RoundRecord): void {
    this.#hashes.set(version, hash);
    this.#hashes.delete(version - hashesKept);
    this.#counted.add(version, counted);
    this.#traffic = trafficByKind([...this.#traffic, ...traffic]);
  }

  /** Names a version to workers; undefined for one of long ago. */
  hashOf(version: number): string | undefined {
    return version === this.version ? this.#broadcast.hash : this.#hashes.get(version);
  }

  /** Bytes of all rounds so far, the most first. */
  get traffic(): readonly KindTraffic[] {
    return this.#traffic;
  }

  /** Bytes of all rounds so far, together. */
  get moved(): MovedBytes {
    return sumOf(this.#traffic);
  }

  /** The version that an update went into; undefined for one that was not counted, or long ago. */
  versionOf(update: CountedUpdate): number | undefined {
    return this.#counted.versionOf(update);
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

  /**
   * Steps to the round's version and makes both durable; `traffic` is asked when the round is as good as over, the recipients
   * which earlier versions they hold or still read.
   */
  async commit(
    effect: CommitEffect,
    traffic: () => RoundTraffic,
    recipients: ReadonlySet<Recipient>,
  ): Promise<RoundRecord> {
    const { model, uploads, store, document, codec, patience } = this.#parts;
    const { round, attempt, cohort, progress, learningRate } = effect;
    const { weighting } = document.round;
    const updates = effect.uploads.length;
    if (learningRate !== undefined) await model.setLearningRate(learningRate);
    const { examples, metrics } = uploads.figures(effect.uploads, ["loss", ...document.metrics]);
    await uploads.settled();
    uploads.close(effect.uploads);
    const fragment = fragmentOf(round, model.ranges.length);
    store?.beginRound(round, {
      elements: model.elementsOf(fragment),
      retry: model.overwritesSums ? (write) => patience.until(write) : undefined,
    });
    const { hash: before } = this.#broadcast;
    await model.step((block, out) => uploads.combine(block, out), {
      sink: (update) => store?.logUpdate(update),
      share: shareOf({ updates, examples, progress }, weighting),
      fragment,
      isRead: () => some(recipients, (recipient) => recipient.mayRead(before)),
    });
    if (model.overwritesSums) uploads.release();
    const isHeld: IsHeld = (hash, without) =>
      some(recipients, (recipient) => recipient.holds(hash) && !(without !== undefined && recipient.holds(without)));
    const encoded = await encodeBroadcastInTurns(round, model.weights, codec);
    const forgotten = this.#earlier.keep(this.#broadcast);
    if (forgotten !== undefined && !some(recipients, (recipient) => recipient.mayRead(forgotten.hash))) {
      letGo(forgotten.bytes);
    }
    const broadcast = { ...encoded, deltas: await this.#earlier.deltasTo(encoded, isHeld) };
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
    await patience.until(() => store?.commitRound(record, (block, out) => uploads.combine(block, out)));
    this.#broadcast = broadcast;
    this.#metrics = metrics;
    this.#note(record);
    return record;
  }

  /** Writes the version whole: where that is due and can be done now, or in any case. */
  async checkpoint(when: "due" | "always"): Promise<Checkpointed | undefined> {
    const { store, model, patience, onPostponed } = this.#parts;
    if (store === undefined || (when === "due" && !store.wantsCheckpoint)) return undefined;
    const startedMs = performance.now();
    const whole = { version: this.version, weights: model.weights, state: model.state() };
    const write = () => store.checkpoint(whole, { flush: when === "always" });
    try {
      const path = when === "always" ? await patience.until(write) : await write();
      return { path, ms: performance.now() - startedMs };
    } catch (error) {
      if (when === "always" || !isPassing(error)) throw error;
      onPostponed(this.version, error.message);
      return undefined;
    }
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
  note({ version, metrics }: Extract<RunEffect, { kind: "evaluated" }>): void {
    if (version === this.version) this.#evaluated = { version, metrics };
  }

  /**
   * Writes down what an operator says before it holds, so that it holds over a kill, even before a round is made under it.
   *
   * @throws {StoreError} when it cannot be written; then it is not to hold
   */
  record(said: OperatorWord): void {
    const { store } = this.#parts;
    if (store === undefined) return;
    const meta = store.meta();
    try {
      if (said.kind === "change") store.recordMeta({ ...meta, changes: { ...meta.changes, ...said.changes } });
      else if ((meta.paused ?? false) !== (said.kind === "pause")) {
        store.recordMeta({ ...meta, paused: said.kind === "pause" });
      }
    } catch (cause) {
      if (!isPassing(cause)) throw cause;
      const reason = `${said.kind}: refused, for it could not be written down and a restart would forget it; nothing has changed`;
      throw new StoreError(`${reason} (${cause.message}, then ask again)`, { cause, passing: true });
    }
  }

  /** An operator ends the run, which needs no room; a process killed before it has ended leaves it stopped if this was written. */
  noteStop(detail: string): void {
    const { store } = this.#parts;
    store?.saveMeta({ ...store.meta(), status: "stopped", detail });
  }

  /** The last evaluation of the newest version, or its round's training means. */
  get metrics(): Readonly<Record<string, number>> {
    return this.#evaluated?.version === this.version ? this.#evaluated.metrics : this.#metrics;
  }

  /** Resolves when it is written. */
  async saveMeta(changes: Pick<RunMeta, "status" | "detail">): Promise<void> {
    const { store, patience } = this.#parts;
    // A run that ends in good order goes on when it is resumed, paused or not.
    store?.saveMeta({ ...store.meta(), ...changes, paused: false, metrics: this.metrics });
    await patience.until(() => store?.writeOwed());
  }

  /** Why rounds wait for the disk; undefined when they do not. */
  get waiting(): string | undefined {
    return this.#parts.patience.waiting;
  }

  /** Waits for the disk no longer. */
  giveUp(): void {
    this.#parts.patience.giveUp();
  }

  async close(): Promise<void> {
    this.#parts.model.dispose();
    await this.#parts.store?.close();
  }
}
