/** The updates of the open round: which are arriving, what they bring, and their combination. */
import { type BlockRule, type Combination, meanRule, openRetained } from "@weft/aggregate";
import { fragmentOf, type JobDocument, type JobRound, type MessageOf } from "@weft/protocol";
import { ConnectionError, type IncomingPayload, loopTurns } from "@weft/transport";
import { createSlab, type Slab, slabBytes, type VectorCodec } from "@weft/vector";
import type { Reason } from "../round/runEvent.ts";
import type { ModelMemory } from "../model/modelMemory.ts";
import { blockRuleOf } from "./blockRuleOf.ts";
import { Following } from "./following.ts";
import { KeepBudget } from "./keep.ts";
import { Leaving } from "./leaving.ts";
import { roomForBlock, Upload, type UploadKind } from "./upload.ts";
import { figuresProblem, isUniform, scaleOf } from "./weighting.ts";

export type UpdateMessage = MessageOf<"update">;

export type ReadOutcome =
  | { readonly kind: "arrived" }
  | { readonly kind: "invalid"; readonly reason: Reason }
  /** The connection ended under it. */
  | { readonly kind: "broken" }
  /** It was not wanted, or no longer. */
  | { readonly kind: "ignored" };

interface Arrival {
  readonly message: UpdateMessage;
  /** Set once the round takes it. */
  upload?: Upload;
  /** Changes whenever the upload is cut off or gone on with: a reader of before has no say any more. */
  turn: number;
  /** Called when the upload is moved: into sums, out of them, or away. */
  onMove: () => void;
}

/** Memory for blocks that may have to be taken out again, over all uploads; none for those of large models, of which few would fit. */
const keepBytes = 32 * 1024 * 1024;
const largestWeight = 2 ** 29;
/** Weights are whole numbers; where updates are discounted they are so many times finer, if the sums have room for that. */
const finest = 2 ** 10;
/** Values of all updates that are sorted in a slice. */
const valuesAtOnce = 2 ** 16;

export interface UploadsOptions {
  /** For blocks that may have to be taken out again, over all uploads; beyond it they go to disk. */
  readonly budgetBytes?: number;
  /** Where the sums lie; their own if absent. */
  readonly room?: ModelMemory | undefined;
}

export interface OpeningOptions {
  /** Whether updates may weigh less than their examples. */
  readonly discounts?: boolean;
  /** Of a job that streams, it says which part of the model is brought in; default the first. */
  readonly round?: number;
}

export class Uploads {
  /** By fragment. */
  readonly #kinds: readonly UploadKind[];
  /** Of the open round. */
  #kind: UploadKind;
  readonly #round: JobRound;
  readonly #isUniform: boolean;
  /** Whether discounts shrink the step, instead of only shifting weight between updates. */
  readonly #isBuffered: boolean;
  readonly #arrivals = new Map<number, Arrival>();
  /** Where the sums lie, if not in memory of their own. */
  readonly #memory: ModelMemory | undefined;
  /** Combines updates side by side; undefined for the mean, into which they are folded as they arrive. */
  readonly #rule: BlockRule | undefined;
  /** Of the round that closes, with room for a block of each. */
  #counted: readonly { readonly upload: Upload; readonly values: Float32Array }[] = [];
  #combination: Combination | undefined;
  readonly #leaving = new Leaving();
  /** Memory for the sums of any fragment, where there are several. */
  readonly #slabs: readonly Slab[] | undefined;
  /** Room for which the combination was opened. */
  #room = "";
  /** The most examples an update may stand for, and what one of them weighs when fresh. */
  #maxExamples = 0;
  #unit = 1;
  /** What the sums are divided by, where that is not their own weight. */
  #divisor: number | undefined;
  /** What the mean is multiplied by. */
  #scale = 1;
  #last = 0;

  /**
   * @param codecs of the fragments that rounds bring in by turns
   * @throws {GridError} when no exact sum can be kept under the job's norm bound
   */
  constructor({ round }: JobDocument, codecs: readonly VectorCodec[], { budgetBytes, room }: UploadsOptions = {}) {
    const { normBound, pace } = round;
    const largest = codecs.reduce((most, { size }) => Math.max(most, size), 0);
    const budget = new KeepBudget(budgetBytes ?? (room === undefined ? keepBytes : 0));
    this.#rule = blockRuleOf(round.combine);
    const shared = { normBound, budget, retains: this.#rule !== undefined };
    const [first, ...others] = codecs.map((codec): UploadKind => ({ codec, ...shared }));
    if (first === undefined) throw new Error("updates have at least one codec");
    this.#kind = first;
    this.#kinds = [first, ...others];
    const streams = others.length > 0 && this.#rule === undefined;
    this.#slabs = streams ? [createSlab(slabBytes(largest, 1))] : undefined;
    this.#round = round;
    this.#memory = room;
    this.#isUniform = isUniform(round);
    this.#isBuffered = pace?.kind === "buffered";
    meanRule.open({ size: 0, contributions: 2, bound: normBound, maxWeight: 1 });
  }

  /**
   * Takes the memory of large sums. To be called when the model has been made, before anyone is there: taking so much sets off a
   * collection of garbage, by which what the making of the model took is given back.
   */
  reserve(): void {
    if (this.#rule === undefined) this.#memory?.sums();
  }

  /** Empty sums for an attempt with room for so many updates of at most so many examples. */
  open(contributions: number, maxExamples: number, { discounts = false, round = 1 }: OpeningOptions = {}): void {
    this.#kind = this.#kinds[fragmentOf(round, this.#kinds.length)] ?? this.#kind;
    const examples = Math.min(Math.max(1, maxExamples), largestWeight);
    const most = this.#isUniform ? 1 : examples;
    this.#unit = discounts ? Math.min(finest, 2 ** Math.floor(Math.log2(largestWeight / most))) : 1;
    this.#maxExamples = examples;
    this.#divisor = undefined;
    this.#scale = 1;
    const { codec, normBound } = this.#kind;
    this.#leaving.forget();
    const room = `${codec.size} ${contributions} ${most * this.#unit}`;
    if (this.#rule === undefined) void this.#memory?.touch();
    if (this.#combination !== undefined && this.#room === room) this.#combination.reset();
    else {
      // Let go of the old sums before the new ones take their memory.
      this.release();
      const options = { size: codec.size, contributions, bound: normBound, maxWeight: most * this.#unit };
      this.#combination =
        this.#rule === undefined
          ? meanRule.open({ ...options, slabs: this.#memory?.sums() ?? this.#slabs })
          : openRetained(options);
      this.#room = room;
    }
    for (const [id, { upload }] of this.#arrivals) {
      if (upload?.sealed !== true) continue;
      upload.release();
      this.#arrivals.delete(id);
    }
    this.#counted = [];
  }

  /** The sums are not needed any more; what memory they were given is its owner's again. */
  release(): void {
    this.#combination?.close();
    this.#combination = undefined;
  }

  /** A number for an update whose header has come. */
  announce(message: UpdateMessage): number {
    const id = ++this.#last;
    this.#arrivals.set(id, { message, turn: 0, onMove: () => undefined });
    return id;
  }

  /** The round takes it: what came of it is to be folded in, and what comes. */
  receive(id: number, discount = 1): void {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined || this.#combination === undefined) throw new Error(`no upload ${id} to receive`);
    arrival.upload ??= new Upload(this.#kind);
    const weight = this.#weightOf(arrival, discount);
    arrival.upload.fold({ combination: this.#combination, weight, mayBegin: () => this.#leaving.isOver });
    this.#leaving.begin(arrival.upload);
    arrival.onMove();
  }

  /** Keeps it aside as it comes; what was folded in is taken out by and by. */
  hold(id: number): void {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined) throw new Error(`no upload ${id} to hold`);
    arrival.upload ??= new Upload(this.#kind);
    arrival.upload.hold();
    this.#leaving.begin(arrival.upload);
    arrival.onMove();
  }

  /** Resolves when all that was taken out of the sums has left them. */
  settled(): Promise<void> {
    return this.#leaving.over();
  }

  #weightOf({ message }: Arrival, discount: number): number {
    const examples = this.#isUniform ? 1 : message.weight;
    return examples * Math.max(1, Math.round(this.#unit * discount));
  }

  /** How far an upload came whose connection broke; what its reader may still bring is not taken. */
  suspended(id: number): { readonly id: string; readonly bytes: number } | undefined {
    const { message, upload } = this.#cutOff(id);
    const { transfer } = message;
    return transfer === undefined || upload === undefined
      ? undefined
      : { id: transfer.id, bytes: upload.receivedBytes };
  }

  /** Whether a message announces the rest of an upload that broke: the same update, from the byte where it stopped. */
  goesOn(id: number, { transfer, ...message }: UpdateMessage): boolean {
    const { message: before, upload } = this.#cutOff(id);
    const { transfer: begun, ...announced } = before;
    if (transfer === undefined || begun === undefined || upload === undefined) return false;
    const isSame = transfer.id === begun.id && JSON.stringify(message) === JSON.stringify(announced);
    return isSame && transfer.offset === upload.receivedBytes;
  }

  #cutOff(id: number): Arrival {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined) throw new Error(`no upload ${id} that broke`);
    arrival.turn += 1;
    arrival.onMove();
    return arrival;
  }

  /** Takes out what was folded in, by and by, and lets the rest go by. */
  discard(id: number): void {
    const arrival = this.#arrivals.get(id);
    this.#arrivals.delete(id);
    if (arrival?.upload !== undefined) {
      arrival.upload.drop();
      this.#leaving.begin(arrival.upload);
    }
    arrival?.onMove();
  }

  /**
   * Reads an update that was announced, as far as it is wanted; "arrived" once it is whole and in the sums.
   *
   * @param maxExamples the most examples it may stand for
   */
  async read(id: number, payload: IncomingPayload, maxExamples: number): Promise<ReadOutcome> {
    const arrival = this.#arrivals.get(id);
    const upload = arrival?.upload;
    if (arrival === undefined || upload === undefined) {
      payload.discard();
      return { kind: "ignored" };
    }
    const turn = ++arrival.turn;
    const bytes = upload.receivedBytes + payload.bytes;
    const problem =
      offsetProblem(arrival.message, upload) ??
      this.#headerProblem(arrival.message, bytes, Math.min(maxExamples, this.#maxExamples));
    if (problem !== undefined) {
      payload.discard();
      return { kind: "invalid", reason: problem };
    }
    const following = new Following(upload, () => arrival.turn === turn);
    try {
      for await (const chunk of payload.chunks()) {
        if (upload.dropped || arrival.turn !== turn) return { kind: "ignored" };
        const reason = upload.push(chunk) ?? following.goOn();
        if (reason !== undefined) return { kind: "invalid", reason };
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return { kind: arrival.turn === turn ? "broken" : "ignored" };
    }
    const reason = following.goOn();
    if (reason !== undefined) return { kind: "invalid", reason };
    return arrival.turn === turn ? this.whole(id, following) : { kind: "ignored" };
  }

  /** Whether it is there to the last byte, and in the sums. */
  isWhole(id: number): boolean {
    return this.#arrivals.get(id)?.upload?.isWhole === true;
  }

  /** Waits until an upload that has come to its end is in the sums, or not wanted any more. */
  async whole(id: number, following?: Following): Promise<ReadOutcome> {
    const arrival = this.#arrivals.get(id);
    const upload = arrival?.upload;
    if (arrival === undefined || upload === undefined) return { kind: "ignored" };
    const { turn } = arrival;
    while (!upload.dropped && arrival.turn === turn) {
      const reason = following?.goOn() ?? upload.catchUp();
      if (reason !== undefined) return { kind: "invalid", reason };
      if (upload.isFolded) return { kind: upload.isWhole ? "arrived" : "broken" };
      if (upload.folding) await loopTurns.next();
      else await new Promise<void>((resolve) => (arrival.onMove = resolve));
    }
    return { kind: "ignored" };
  }

  /** The round has counted it: it stays in the sums. */
  seal(id: number): void {
    this.#arrivals.get(id)?.upload?.seal();
  }

  #headerProblem(message: UpdateMessage, bytes: number, maxWeight: number): Reason | undefined {
    const { codec, version, round, weight } = message;
    if (codec !== this.#kind.codec.text) {
      return { code: "codec", text: `the job's codec is ${this.#kind.codec.text}, the update came as ${codec}` };
    }
    if (version !== round - 1) {
      return { code: "version", text: `round ${round} is on version ${round - 1}, the update on version ${version}` };
    }
    const { size, encodedBytes } = this.#kind.codec;
    if (bytes !== encodedBytes) {
      return { code: "length", text: `${size} values take ${encodedBytes} bytes, the update has ${bytes}` };
    }
    if (!Number.isInteger(weight) || weight < 1 || weight > maxWeight) {
      return { code: "weight", text: `a weight of 1 to ${maxWeight} whole examples expected, got ${weight}` };
    }
    return figuresProblem(this.#round, message);
  }

  /** The sums hold these updates and no other: what they are divided by is fixed. */
  close(ids: readonly number[]): void {
    const arrivals = ids.flatMap((id) => this.#arrivals.get(id) ?? []);
    const messages = arrivals.map(({ message }) => message);
    this.#scale = scaleOf(this.#round, messages);
    if (this.#rule !== undefined) {
      const { codec } = this.#kind;
      this.#counted = arrivals.flatMap(({ upload }) => (upload ? [{ upload, values: roomForBlock(codec) }] : []));
    }
    if (!this.#isBuffered) return;
    // FedBuff divides by the updates' number (here: examples), so that a buffer of old updates makes a smaller step.
    this.#divisor = arrivals.reduce((sum, arrival) => sum + this.#weightOf(arrival, 1), 0);
  }

  /** Writes the combined block of everything folded in; others have their turn while that takes long. */
  combine(block: number, out: Float32Array): Promise<void> | undefined {
    if (this.#rule !== undefined) return this.#combineSideBySide(this.#rule, block, out);
    if (this.#combination === undefined) throw new Error("no round was opened");
    this.#combination.result(block, out, this.#divisor);
    if (this.#scale !== 1) for (let i = 0; i < out.length; i++) out[i]! *= this.#scale;
    return undefined;
  }

  async #combineSideBySide(rule: BlockRule, block: number, out: Float32Array): Promise<void> {
    for (const { upload, values } of this.#counted) {
      upload.read(block, values.subarray(0, out.length));
      await loopTurns.next();
    }
    const step = Math.max(1024, Math.floor(valuesAtOnce / this.#counted.length));
    for (let start = 0; start < out.length; start += step) {
      if (start > 0) await loopTurns.next();
      const end = Math.min(start + step, out.length);
      rule(
        this.#counted.map(({ values }) => values.subarray(start, end)),
        out.subarray(start, end),
      );
    }
  }

  /** Examples behind these updates, and the means of what they report over those examples. */
  figures(ids: readonly number[], names: readonly string[]): { examples: number; metrics: Record<string, number> } {
    let examples = 0;
    const sums = new Map<string, number>();
    // In the order of arrival these sums would depend on it; sorted by what they are, they do not.
    const messages = ids.flatMap((id) => this.#arrivals.get(id)?.message ?? []);
    for (const { weight } of messages) examples += weight;
    for (const name of names) {
      const values = messages.map(({ metrics }) => metrics[name]).filter((value) => value !== undefined);
      if (values.length < messages.length) continue;
      sums.set(name, values.sort((a, b) => a - b).reduce((sum, value) => sum + value, 0) / examples);
    }
    return { examples, metrics: Object.fromEntries(sums) };
  }
}

/** What is not held cannot be gone on with; an honest worker knows from its welcome how much is. */
function offsetProblem({ transfer }: UpdateMessage, upload: Upload): Reason | undefined {
  if (transfer === undefined || transfer.offset === 0 || upload.receivedBytes > 0) return undefined;
  return {
    code: "transfer",
    text: `no upload broke at byte ${transfer.offset} of this transfer; send the update from its start`,
  };
}
