/** Versions of the model that a worker holds or awaits, from one session to the next. */
import type { MessageOf } from "@weft/protocol";
import type { IncomingPayload } from "@weft/transport";
import type { VectorCodec } from "@weft/vector";
import { allFinite, DeltaError } from "@weft/vector";
import { createDigest } from "#digest";
import { AlteredError, type Downloads } from "./downloads.ts";
import { OrderDeclinedError } from "./errors.ts";
import type { Fragmented } from "./fragments.ts";
import type { Turns } from "./turns.ts";
import { applyVersionDelta } from "./versionDelta.ts";

export interface Version {
  readonly hash: string;
  readonly values: Float32Array;
  /** As it was sent, where others may come as differences from it. */
  readonly encoded: Uint8Array | undefined;
}

export class Versions {
  readonly #downloads: Downloads;
  readonly #whole = new Map<number, Version>();
  readonly #awaited = new Map<number, Promise<Version>>();

  constructor(downloads: Downloads) {
    this.#downloads = downloads;
  }

  /** For the coordinator, which need not send them again. */
  held(): { readonly version: number; readonly hash: string }[] {
    return [...this.#whole].map(([version, { hash }]) => ({ version, hash }));
  }

  /** Another run has begun, or a session: what was on its way comes anew, if at all. */
  forget(what: "all" | "awaited"): void {
    this.#awaited.clear();
    if (what === "all") this.#whole.clear();
  }

  /** A version is on its way; orders on it wait for it. Only the newest two are kept. Never rejects. */
  receive(message: MessageOf<"weights">, payload: IncomingPayload, decoding: Decoding): Promise<void> {
    const { version } = message;
    const arriving = this.#receive(message, payload, decoding);
    this.#awaited.set(version, arriving);
    return arriving.then(
      (whole) => {
        if (this.#awaited.get(version) !== arriving) return;
        this.#awaited.delete(version);
        this.#whole.set(version, whole);
        // The coordinator reckons with the last two that it sent, whichever they are.
        const [, , ...older] = [...this.#whole.keys()].sort((a, b) => b - a);
        for (const held of older) this.#whole.delete(held);
      },
      () => undefined, // reported to the order that waits for it
    );
  }

  /** @throws {OrderDeclinedError} for a version that never came, or came altered */
  async of(version: number, hash: string): Promise<Float32Array> {
    const found = this.#whole.get(version) ?? (await this.#awaited.get(version));
    if (!found) throw new OrderDeclinedError("no-base", `version ${version} was never sent to this worker`);
    if (found.hash === hash) return found.values;
    throw new OrderDeclinedError("base-hash", `version ${version} hashes to ${found.hash}, the order says ${hash}`);
  }

  async #receive(
    { version, codec: codecText, hash, delta, offset }: MessageOf<"weights">,
    payload: IncomingPayload,
    { job, turns }: Decoding,
  ): Promise<Version> {
    const codec = job.codecs.down;
    if (codecText !== codec.text) {
      payload.discard();
      throw new OrderDeclinedError("base-codec", `weights as ${codecText}; the job's codec is ${codec.text}`);
    }
    try {
      const payloadHash = delta?.hash ?? hash;
      const received = await this.#downloads.collect(payloadHash, payload, offset);
      const bytes =
        delta === undefined ? received : await this.#applied(received, { ...delta, to: { version, hash }, job, turns });
      const hasDeltas = codec.spec.kind !== "f32" || job.fragments.length > 1;
      const values = await decodeInTurns(codec, bytes, { turns, inPlace: !hasDeltas });
      return { hash, values, encoded: hasDeltas ? bytes : undefined };
    } catch (error) {
      if (!(error instanceof AlteredError)) throw error;
      throw new OrderDeclinedError("base-hash", `version ${version}: ${error.message}`);
    }
  }

  /** The version that a delta leads to. */
  async #applied(
    delta: Uint8Array,
    { from, to, job, turns }: Decoding & { readonly from: number; readonly to: NamedVersion },
  ): Promise<Uint8Array> {
    // The version before may have come and still be being decoded.
    const base = (this.#whole.get(from) ?? (await this.#awaited.get(from)))?.encoded;
    if (base === undefined) throw new AlteredError(`it is a difference from version ${from}, which is not here`);
    const bytes = new Uint8Array(base.length);
    try {
      const parts = applyVersionDelta(job, delta, { from, version: to.version, base, bytes });
      while (parts.next().done !== true) await turns.take();
    } catch (error) {
      if (error instanceof DeltaError) throw new AlteredError(error.message);
      throw error;
    }
    const digest = createDigest();
    digest.update(bytes);
    const actual = digest.hex();
    if (actual !== to.hash) throw new AlteredError(`it leads to ${actual}, ${to.hash} was announced`);
    return bytes;
  }
}

interface NamedVersion {
  readonly version: number;
  readonly hash: string;
}

export interface Decoding {
  readonly job: Fragmented;
  readonly turns: Turns;
}

/**
 * As `decodeVector`, but sockets and timers get their turn meanwhile. With `inPlace` the bytes, in f32, become the values without
 * a copy: every engine that Weft runs on is little-endian, as the wire is.
 */
async function decodeInTurns(
  codec: VectorCodec,
  bytes: Uint8Array,
  { turns, inPlace }: { readonly turns: Turns; readonly inPlace: boolean },
): Promise<Float32Array> {
  if (bytes.length !== codec.encodedBytes) {
    throw new OrderDeclinedError("base-length", `weights of ${codec.encodedBytes} bytes expected, got ${bytes.length}`);
  }
  const values = inPlace ? new Float32Array(bytes.buffer, bytes.byteOffset, codec.size) : new Float32Array(codec.size);
  for (const [index, { start, end, offset, bytes: length }] of codec.segments.entries()) {
    const segment = values.subarray(start, end);
    if (!inPlace) codec.decodeSegment(index, bytes.subarray(offset, offset + length), segment);
    if (!allFinite(segment)) {
      throw new OrderDeclinedError("non-finite", `weights ${start} to ${end - 1} hold NaN or infinity`);
    }
    await turns.take();
  }
  return values;
}
