/**
 * Memory for one update after the other: fresh memory of a large model costs the system several times what encoding does, and
 * what is let go of sets off collections of the whole heap. Of a vector's two encodings, one is written while the other may
 * still be sent, or is owed; an update in f32 goes out as it was trained, so of what training changes there are two as well.
 */
import { type EncodedVector, encodingRoom, type VectorCodec } from "@weft/vector";
import type { LocalState } from "./localState.ts";

export class EncodingRoom {
  /** By codec, then by the part of the update. */
  readonly #rooms = new WeakMap<VectorCodec, Map<number, readonly EncodedVector[]>>();
  /** What may still be sent, or sent again. */
  readonly #sent = new WeakSet<Uint8Array>();
  /** What a socket may still hold, though nobody wants it any more. */
  readonly #lost = new WeakSet<Uint8Array>();
  /** What lies in here may still be sent, or sent again; whoever gave that up never takes it back. */
  readonly #busy = new WeakSet<ArrayBufferLike>();
  #changes: readonly Float32Array[] = [];
  readonly #state: Pick<LocalState, "holds">;

  /** @param state what residuals may be kept in */
  constructor(state: Pick<LocalState, "holds">) {
    this.#state = state;
  }

  /**
   * Memory for an encoding: of none that may still be sent, and whose residual is nobody's. Undefined while there is none; then it
   * has to be fresh.
   */
  free(codec: VectorCodec, part: number): EncodedVector | undefined {
    const parts = this.#rooms.get(codec) ?? new Map<number, readonly EncodedVector[]>();
    const room = (parts.get(part) ?? encodingRoom(codec)).map((encoding) =>
      this.#lost.has(encoding.bytes) ? { ...encoding, bytes: new Uint8Array(encoding.bytes.length) } : encoding,
    );
    this.#rooms.set(codec, parts.set(part, room));
    return room.find(({ bytes, memory: { residual } }) => {
      return !this.#sent.has(bytes) && (residual === undefined || !this.#state.holds(residual));
    });
  }

  /**
   * Memory for what training changes, of all parameters' size; nothing in it may still be sent. It is the caller's until it is
   * asked for again, or goes out.
   */
  change(size: number): Float32Array {
    const fitting = this.#changes.filter(({ length }) => length === size);
    const free = fitting.find(({ buffer }) => !this.#busy.has(buffer));
    const change = free ?? new Float32Array(size);
    if (free === undefined) this.#changes = [change, ...fitting].slice(0, 2);
    return change;
  }

  /** These go out, and are to stay as they are. */
  hold(payload: readonly Uint8Array[]): void {
    for (const bytes of payload) {
      this.#sent.add(bytes);
      this.#busy.add(bytes.buffer);
    }
  }

  /** The coordinator has all that it wants of these. */
  release(payload: readonly Uint8Array[]): void {
    for (const bytes of payload) {
      this.#sent.delete(bytes);
      this.#busy.delete(bytes.buffer);
    }
  }

  /** These were given up without an answer: what a socket holds of them goes out as it is. */
  abandon(payload: readonly Uint8Array[]): void {
    for (const bytes of payload) this.#lost.add(bytes);
  }
}
