/** The updates of the open round: which are arriving, what they bring, and their combination. */
import { type CombineRule, type Combination, meanRule, uniformMeanRule } from "@weft/aggregate";
import type { JobDocument, MessageOf } from "@weft/protocol";
import { ConnectionError, type IncomingPayload } from "@weft/transport";
import { blockElements, type VectorCodec } from "@weft/vector";
import type { Reason } from "../round/runEvent.ts";
import { KeepBudget } from "./keep.ts";
import { Upload } from "./upload.ts";

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
}

/** Memory for blocks that may have to be taken out again, over all uploads. */
const keepBytes = 32 * 1024 * 1024;
const largestWeight = 2 ** 29;

export class Uploads {
  readonly #codec: VectorCodec;
  readonly #rule: CombineRule;
  readonly #normBound: number;
  readonly #budget: KeepBudget;
  readonly #arrivals = new Map<number, Arrival>();
  #combination: Combination | undefined;
  /** Room for which the combination was opened. */
  #room = "";
  readonly #scratch: Float32Array;
  #maxWeight = 0;
  #last = 0;

  /** @throws {GridError} when no exact sum can be kept under the job's norm bound */
  constructor({ round }: JobDocument, codec: VectorCodec, budgetBytes = keepBytes) {
    this.#scratch = new Float32Array(Math.min(codec.size, blockElements));
    this.#codec = codec;
    this.#rule = round.weighting === "examples" ? meanRule : uniformMeanRule;
    this.#normBound = round.normBound;
    this.#budget = new KeepBudget(budgetBytes);
    this.#rule.open({ size: 0, contributions: 2, bound: round.normBound, maxWeight: 1 });
  }

  /** Empty sums for an attempt with room for so many updates of at most such a weight. */
  open(contributions: number, maxWeight: number): void {
    const limit = Math.min(Math.max(1, maxWeight), largestWeight);
    const room = `${contributions} ${limit}`;
    if (this.#combination !== undefined && this.#room === room) this.#combination.reset();
    else {
      // Let go of the old sums before the new ones take their memory.
      this.#combination = undefined;
      const options = { size: this.#codec.size, contributions, bound: this.#normBound, maxWeight: limit };
      this.#combination = this.#rule.open(options);
      this.#room = room;
      this.#maxWeight = limit;
    }
    this.#arrivals.clear();
  }

  /** A number for an update whose header has come. */
  announce(message: UpdateMessage): number {
    const id = ++this.#last;
    this.#arrivals.set(id, { message, turn: 0 });
    return id;
  }

  /** The round takes it: its blocks are to be folded in. */
  receive(id: number): void {
    const arrival = this.#arrivals.get(id);
    if (arrival === undefined || this.#combination === undefined) throw new Error(`no upload ${id} to receive`);
    const target = {
      combination: this.#combination,
      codec: this.#codec,
      normBound: this.#normBound,
      scratch: this.#scratch,
    };
    arrival.upload = new Upload(target, arrival.message.weight, this.#budget);
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
    return arrival;
  }

  /** Takes out what was folded in, and lets the rest go by. */
  discard(id: number): void {
    this.#arrivals.get(id)?.upload?.drop();
    this.#arrivals.delete(id);
  }

  /**
   * Reads an update that was announced, as far as the round takes it.
   *
   * @param maxWeight the most examples it may stand for
   */
  async read(id: number, payload: IncomingPayload, maxWeight: number): Promise<ReadOutcome> {
    const arrival = this.#arrivals.get(id);
    const upload = arrival?.upload;
    if (arrival === undefined || upload === undefined) {
      payload.discard();
      return { kind: "ignored" };
    }
    const turn = ++arrival.turn;
    const bytes = upload.receivedBytes + payload.bytes;
    const problem =
      this.#headerProblem(arrival.message, bytes, Math.min(maxWeight, this.#maxWeight)) ??
      offsetProblem(arrival.message, upload);
    if (problem !== undefined) {
      payload.discard();
      return { kind: "invalid", reason: problem };
    }
    try {
      for await (const chunk of payload.chunks()) {
        if (upload.dropped || arrival.turn !== turn) return { kind: "ignored" };
        const reason = upload.push(chunk);
        if (reason !== undefined) return { kind: "invalid", reason };
      }
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      return { kind: arrival.turn === turn ? "broken" : "ignored" };
    }
    return upload.dropped || arrival.turn !== turn ? { kind: "ignored" } : { kind: "arrived" };
  }

  /** The round has counted it: it stays in the sums. */
  seal(id: number): void {
    this.#arrivals.get(id)?.upload?.seal();
  }

  #headerProblem(message: UpdateMessage, bytes: number, maxWeight: number): Reason | undefined {
    const { codec, version, round, weight } = message;
    if (codec !== this.#codec.text) {
      return { code: "codec", text: `the job's codec is ${this.#codec.text}, the update came as ${codec}` };
    }
    if (version !== round - 1) {
      return { code: "version", text: `round ${round} is on version ${round - 1}, the update on version ${version}` };
    }
    const { size, encodedBytes } = this.#codec;
    if (bytes !== encodedBytes) {
      return { code: "length", text: `${size} values take ${encodedBytes} bytes, the update has ${bytes}` };
    }
    if (!Number.isInteger(weight) || weight < 1 || weight > maxWeight) {
      return { code: "weight", text: `a weight of 1 to ${maxWeight} whole examples expected, got ${weight}` };
    }
    return undefined;
  }

  /** Writes the combined block of everything folded in. */
  combine(block: number, out: Float32Array): void {
    if (this.#combination === undefined) throw new Error("no round was opened");
    this.#combination.result(block, out);
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
