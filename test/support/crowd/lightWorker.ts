/** A worker that speaks the whole protocol and computes nothing: every update is the same vector, so that sums can be foretold. */
import { setTimeout } from "node:timers/promises";
import { limitsFor, type Message, type MessageOf, protocolVersion } from "@weft/protocol";
import { type Connection, connectWebSocket, type IncomingPayload } from "@weft/transport";
import { codecKinds } from "@weft/vector";
import { connectStalling } from "./stallingConnection.ts";

export interface LightWorkerOptions {
  readonly url: string;
  readonly name: string;
  /** Parameters of the model. */
  readonly size: number;
  /** The update, encoded; shared by as many workers as like. */
  readonly update: Uint8Array;
  /** Of the update, as `codecText` gives it; default f32. */
  readonly codec?: string | undefined;
  /** How long an update takes to make; default 0. */
  readonly thinkMs?: number | undefined;
  /** Its payloads stop after so many bytes, while it goes on to live; default never. */
  readonly stallsAfterBytes?: number | undefined;
  readonly onEvent?: (event: LightWorkerEvent) => void;
}

export type LightWorkerEvent =
  | { readonly event: "ready" }
  | { readonly event: "uploading"; readonly round: number }
  | { readonly event: "verdict"; readonly round: number; readonly accepted: boolean; readonly code: string };

/** Joins, and answers orders until the run is over. Resolves when the connection has ended. */
export async function runLightWorker(options: LightWorkerOptions): Promise<void> {
  const { url, name, size, stallsAfterBytes } = options;
  const limits = limitsFor({ parameters: size });
  const link = { accepts: "coordinator", limits } as const;
  const connection = await (stallsAfterBytes === undefined
    ? connectWebSocket(url, link)
    : connectStalling(url, link, stallsAfterBytes));
  const worker = new LightWorker(connection, options);
  worker.send({
    kind: "hello",
    protocol: protocolVersion,
    software: "light",
    name,
    capabilities: { device: "none", threads: 1, memoryBytes: 1e9, codecs: [...codecKinds] },
  });
  await connection.closed;
}

class LightWorker {
  readonly #connection: Connection;
  readonly #options: LightWorkerOptions;
  #jobHash = "";
  /** The newest version, on its way or there. */
  #base: Promise<void> = Promise.resolve();

  constructor(connection: Connection, options: LightWorkerOptions) {
    this.#connection = connection;
    this.#options = options;
    connection.listen((message, payload) => {
      this.#receive(message, payload);
    });
  }

  send(message: Message, payload?: Uint8Array): void {
    // What a connection that ends did not send is of no use any more.
    this.#connection.send(message, payload).catch(() => undefined);
  }

  #receive(message: Message, payload: IncomingPayload | undefined): void {
    switch (message.kind) {
      case "welcome":
        this.#jobHash = message.jobHash;
        break;
      case "job":
        payload?.discard();
        this.send({ kind: "ready", jobHash: this.#jobHash });
        this.#options.onEvent?.({ event: "ready" });
        break;
      case "weights":
        this.#base = readAll(payload);
        break;
      case "work":
        void this.#work(message);
        break;
      case "verdict": {
        const { round, accepted, code } = message;
        this.#options.onEvent?.({ event: "verdict", round, accepted, code });
        break;
      }
      default:
        payload?.discard();
    }
  }

  async #work({ order, run, round, attempt, version }: MessageOf<"work">): Promise<void> {
    try {
      await this.#base;
    } catch {
      return; // The version was given up for a newer one, or the connection ended.
    }
    await setTimeout(this.#options.thinkMs ?? 0);
    const weight = order.kind === "gradient" ? order.examples.count : 1;
    const { codec = "f32" } = this.#options;
    this.#options.onEvent?.({ event: "uploading", round });
    this.send(
      { kind: "update", run, round, attempt, version, codec, weight, metrics: { loss: weight }, computeMs: 1 },
      this.#options.update,
    );
  }
}

async function readAll(payload: IncomingPayload | undefined): Promise<void> {
  if (payload === undefined) return;
  let bytes = 0;
  for await (const chunk of payload.chunks()) bytes += chunk.length;
  if (bytes !== payload.bytes) throw new Error(`${bytes} of ${payload.bytes} bytes came`);
}
