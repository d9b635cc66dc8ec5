/**
 * The update of the newest order, kept until the coordinator has answered it: a connection that breaks meanwhile costs
 * neither the computation nor what was sent already.
 */
import type { MessageOf } from "@weft/protocol";
import type { Connection } from "@weft/transport";
import type { EncodingRoom } from "./encodingRoom.ts";
import type { UpdateName } from "./localState.ts";
import type { OnTransfer } from "./transferProgress.ts";

export interface Computed {
  /** The order that it answers. */
  readonly work: MessageOf<"work">;
  /** The part of the coordinator's set that the worker had then. */
  readonly partition: Uint32Array | undefined;
  readonly message: MessageOf<"update">;
  readonly payload: readonly Uint8Array[];
}

export class PendingUpdate {
  #computed: Computed | undefined;
  #transfer = "";
  #sending: AbortController | undefined;
  /** What the coordinator holds of it, as it said when the connection began. */
  #held: MessageOf<"welcome">["transfer"];
  #settled = Promise.withResolvers<undefined>();
  readonly #room: EncodingRoom | undefined;
  readonly #onProgress: OnTransfer;

  /** @param room is told when the memory of an update is free */
  constructor(room?: EncodingRoom, onProgress: OnTransfer = () => undefined) {
    this.#room = room;
    this.#onProgress = onProgress;
  }

  /**
   * The update that answers this order, if it was computed already. A coordinator that was killed before it had made a round
   * final opens it again under the same numbers, and may ask for something else.
   */
  of(work: MessageOf<"work">, partition: Uint32Array | undefined): Computed | undefined {
    const before = this.#computed;
    const isSame =
      before !== undefined && asked(before.work) === asked(work) && sameIndices(before.partition, partition);
    return isSame ? before : undefined;
  }

  /** @param transfer names the payload: never used for another by this worker */
  keep(computed: Computed, transfer: string): void {
    if (this.#computed !== undefined) this.#room?.abandon(this.#computed.payload);
    this.#drop();
    this.#computed = computed;
    this.#transfer = transfer;
    this.#held = undefined;
    this.#settled = Promise.withResolvers();
  }

  /** A connection begins; an update that was counted need not be sent again, and one of another run is of no use. */
  welcomed({ transfer, counted = [] }: MessageOf<"welcome">, isSameRun: boolean): void {
    this.#held = transfer;
    const isCounted = this.name.some((update) => counted.some((other) => same(update, other)));
    if (isCounted || !isSameRun) this.#release();
  }

  /** The round and attempt of the update that waits for its answer, if any. */
  get name(): UpdateName[] {
    return this.#computed === undefined ? [] : [this.#computed.message];
  }

  /** Sends what the coordinator does not hold of it. Rejects when that ends before time. */
  async send(connection: Connection): Promise<void> {
    const computed = this.#computed;
    if (computed === undefined) throw new Error("there is no update to send");
    const id = this.#transfer;
    const offset = this.#held?.id === id ? this.#held.bytes : 0;
    const sending = new AbortController();
    this.#sending = sending;
    const message = { ...computed.message, transfer: { id, offset } };
    const total = computed.payload.reduce((bytes, { length }) => bytes + length, 0);
    const onProgress = (sentBytes: number) => {
      this.#onProgress(offset + sentBytes, total);
    };
    onProgress(0);
    await connection.send(message, rest(computed.payload, offset), { signal: sending.signal, onProgress });
  }

  /** The coordinator has answered: what is still being sent is not wanted any more. */
  verdict({ round, attempt }: MessageOf<"verdict">): void {
    const message = this.#computed?.message;
    if (message?.round === round && message.attempt === attempt) this.#release();
  }

  /** Nothing of it is sent any more: either it was answered, or the connection that it was sent on has ended. */
  #release(): void {
    if (this.#computed !== undefined) this.#room?.release(this.#computed.payload);
    this.#drop();
  }

  #drop(): void {
    this.#sending?.abort();
    this.#sending = undefined;
    this.#computed = undefined;
    this.#settled.resolve(undefined);
  }

  /** Whether there is an update that waits for its answer. */
  get isWaiting(): boolean {
    return this.#computed !== undefined;
  }

  /** Resolves once there is no update that waits for its answer. */
  async answered(): Promise<void> {
    if (this.isWaiting) await this.#settled.promise;
  }
}

/** Everything in an order that its answer depends on. */
function asked({ run, round, attempt, versionHash, order }: MessageOf<"work">): string {
  return JSON.stringify([run, round, attempt, versionHash, order]);
}

function sameIndices(a: Uint32Array | undefined, b: Uint32Array | undefined): boolean {
  if (a === b || a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((index, i) => index === b[i]);
}

const same = (a: UpdateName, b: UpdateName) => a.round === b.round && a.attempt === b.attempt;

/** What follows the first `offset` bytes. */
function rest(parts: readonly Uint8Array[], offset: number): Uint8Array[] {
  let skip = offset;
  return parts.flatMap((part) => {
    const from = Math.min(skip, part.length);
    skip -= from;
    return from === part.length ? [] : [part.subarray(from)];
  });
}
