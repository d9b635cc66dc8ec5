/**
 * Memory for one update after the other: fresh memory of a large model costs the system several times what encoding does. Of a
 * vector's two encodings, one is written while the other may still be sent, or is owed.
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

  /** These go out, and are to stay as they are. */
  hold(payload: readonly Uint8Array[]): void {
    for (const bytes of payload) this.#sent.add(bytes);
  }

  /** The coordinator has all that it wants of these. */
  release(payload: readonly Uint8Array[]): void {
    for (const bytes of payload) this.#sent.delete(bytes);
  }

  /** These were given up without an answer: what a socket holds of them goes out as it is. */
  abandon(payload: readonly Uint8Array[]): void {
    for (const bytes of payload) this.#lost.add(bytes);
  }
}
