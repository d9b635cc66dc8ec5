/** A small job, scripted workers and a virtual clock for tests of the shell. */
import type { Connection, IncomingPayload } from "@weft/transport";
import { memoryPair, type MemoryPair } from "@weft/transport";
import {
  decodeJob,
  encodeJob,
  type JobDocument,
  type Message,
  type MessageOf,
  protocolVersion,
  sharedParameters,
} from "@weft/protocol";
import {
  applyDelta,
  createManifest,
  decodeVector,
  encodeVector,
  openCodec,
  parseCodecSpec,
  type VectorCodec,
} from "@weft/vector";
import { jobDraft, scriptedPrograms } from "../../../test/support/jobDraft.ts";
import { type VirtualClock, virtualClock } from "../../../test/support/virtualClock.ts";
import { createCoordinator, type Coordinator, type CoordinatorEvent, type CoordinatorOptions } from "../src/index.ts";

export interface JobOptions {
  readonly size?: number;
  readonly round?: Partial<JobDocument["round"]>;
  readonly stop?: JobDocument["stop"];
  /** Codecs by text or specification. */
  readonly codec?: { readonly up?: unknown; readonly down?: unknown };
  readonly examples?: number;
  readonly parameters?: JobDocument["parameters"];
}

export const adam = { name: "adam", learningRate: 0.01 } as const;

export function makeJob(options: JobOptions = {}): Uint8Array {
  const { size = 70_000, stop = { rounds: 3 }, examples = 100 } = options;
  const { up = "f32", down = "f32" } = options.codec ?? {};
  const head = Math.min(3, size);
  const parameters = options.parameters ?? [
    { name: "first", shape: [head], kind: "weight" as const },
    { name: "rest", shape: [size - head], kind: "weight" as const },
  ];
  const data = { fields: [{ name: "x", shape: [2], dtype: "f32" as const, stored: "u8" as const, scale: 1 }] };
  const changes = {
    ...{ examples, metrics: ["accuracy"], stop },
    round: { server: adam, normBound: 1000, ...options.round },
    codec: { up: parseCodecSpec(up), down: parseCodecSpec(down) } as JobDocument["codec"],
  };
  return encodeJob(jobDraft({ name: "test", parameters, data }, changes), scriptedPrograms(parameters));
}

export const examples = {
  size: 100,
  rows: (indices: Uint32Array) => [Uint8Array.from([...indices].flatMap((index) => [index, 255 - index]))],
};

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Waits, by turns of the event loop, until something is so. */
export async function until(condition: () => boolean, what = "what the test waits for"): Promise<void> {
  const startedMs = performance.now();
  while (!condition()) {
    if (performance.now() - startedMs > 8000) throw new Error(`${what} did not happen`);
    await turns(1);
  }
}

type Work = MessageOf<"work">;

/** What a scripted worker answers: the update's values for an order on a base. */
export type Script = (base: Float32Array, work: Work) => Float32Array;

/** A gradient that depends on the base and on which examples were asked for. */
export const plainScript: Script = (base, { order, round }) => {
  const salt =
    order.kind === "gradient" && order.examples.kind === "slice"
      ? order.examples.start + 7 * order.examples.count
      : ((order.kind === "evaluate" ? 0 : order.seed) % 97) + round;
  return base.map((value, i) => 0.1 * value + Math.fround(Math.sin(salt + (i % 1013))));
};

export interface FakeOptions {
  readonly script?: Script;
  readonly token?: string;
  readonly resume?: string;
  /** The run it asks for. */
  readonly run?: string;
  readonly protocol?: number;
  readonly ownExamples?: number;
  /** Answers orders by itself; default true. */
  readonly automatic?: boolean;
  /** Kinds it says it knows; by default all that the tests use. */
  readonly codecs?: readonly string[];
  /** What it says it kept of an earlier connection. */
  readonly holds?: MessageOf<"hello">["holds"];
}

export class FakeWorker {
  readonly connection: Connection;
  readonly pair: MemoryPair | undefined;
  readonly seen: Message[] = [];
  readonly closed: Promise<{ code: number; reason: string }>;
  worker = "";
  resume = "";
  run = "";
  partition: Uint32Array | undefined;
  jobHash = "";
  readonly answers = new Map<number, Promise<Uint8Array>>();
  /** Versions as they were sent, or as their deltas led to. */
  readonly encoded = new Map<number, Uint8Array>();
  /** Weights that came with a `weights` message, by version. */
  readonly bases = new Map<number, Promise<Float32Array>>();
  readonly #options: FakeOptions;
  #codecs: { readonly up: VectorCodec; readonly down: VectorCodec } | undefined;

  constructor(connection: Connection, options: FakeOptions = {}, pair?: MemoryPair) {
    this.connection = connection;
    this.pair = pair;
    this.#options = options;
    this.closed = connection.closed;
    connection.listen((message, payload) => {
      this.seen.push(message);
      this.#receive(message, payload);
    });
    this.send({
      kind: "hello",
      protocol: options.protocol ?? protocolVersion,
      software: "test",
      name: "fake",
      capabilities: {
        device: "test",
        threads: 1,
        memoryBytes: 1e9,
        codecs: [...(options.codecs ?? ["f32", "f16", "int8", "int4", "int2", "topK"])],
      },
      ...(options.token === undefined ? {} : { token: options.token }),
      ...(options.resume === undefined ? {} : { resume: options.resume }),
      ...(options.run === undefined ? {} : { run: options.run }),
      ...(options.holds === undefined ? {} : { holds: options.holds }),
    });
  }

  send(message: Message, payload?: Uint8Array): void {
    this.connection.send(message, payload).catch(() => undefined);
  }

  #receive(message: Message, payload: IncomingPayload | undefined): void {
    switch (message.kind) {
      case "welcome":
        Object.assign(this, {
          worker: message.worker,
          resume: message.resume,
          run: message.run,
          jobHash: message.jobHash,
        });
        break;
      case "job": {
        const { ownExamples } = this.#options;
        void payload?.collect().then((bytes) => {
          const { document } = decodeJob(bytes);
          const { codec } = document;
          const manifest = createManifest(sharedParameters(document));
          this.#codecs = { up: openCodec(codec.up, manifest), down: openCodec(codec.down, manifest) };
          this.send({ kind: "ready", jobHash: this.jobHash, ...(ownExamples === undefined ? {} : { ownExamples }) });
        });
        break;
      }
      case "weights": {
        const decoded = payload!.collect().then(async (received) => {
          const { down } = this.#codecs!;
          const bytes = message.delta === undefined ? received : await this.#applied(received, message.delta.from);
          this.encoded.set(message.version, bytes);
          const values = new Float32Array(down.size);
          decodeVector(down, bytes, values);
          return values;
        });
        decoded.catch(() => undefined);
        this.bases.set(message.version, decoded);
        break;
      }
      case "partition":
        void payload?.collect().then((bytes) => (this.partition = new Uint32Array(bytes.slice().buffer)));
        break;
      case "examples":
        this.answers.set(message.request, payload!.collect());
        break;
      case "work":
        if (this.#options.automatic !== false) this.answer(message).catch(() => undefined);
        break;
      default:
    }
  }

  async #applied(delta: Uint8Array, version: number): Promise<Uint8Array> {
    await this.bases.get(version);
    const { down } = this.#codecs!;
    const to = new Uint8Array(down.encodedBytes);
    Array.from(applyDelta(down, delta, { from: this.encoded.get(version)!, to }));
    return to;
  }

  async values(work: Work): Promise<Float32Array> {
    const base = await this.bases.get(work.version);
    if (base === undefined) throw new Error(`no base ${work.version}`);
    return (this.#options.script ?? plainScript)(base, work);
  }

  async answer(work: Work): Promise<void> {
    if (work.order.kind === "evaluate") {
      const { run, round, attempt } = work;
      const metrics = { loss: 8 / work.version, accuracy: 2 };
      this.send({ kind: "evaluated", run, round, attempt, weight: 4, metrics, computeMs: 1 });
      return;
    }
    const values = await this.values(work);
    this.send(updateFor(work, { codec: this.#codecs!.up.text }), this.encode(values, work));
  }

  /** In the job's codec for updates. */
  encode(values: Float32Array, { round }: Work): Uint8Array {
    return encodeVector(this.#codecs!.up, values, { seed: round }).bytes;
  }

  get lastWork(): Work | undefined {
    return this.seen.findLast((message) => message.kind === "work");
  }

  of<K extends Message["kind"]>(kind: K): MessageOf<K>[] {
    return this.seen.filter((message): message is MessageOf<K> => message.kind === kind);
  }
}

export function updateFor(work: Work, changes: Partial<MessageOf<"update">> = {}): MessageOf<"update"> {
  const { order, run, round, attempt, version } = work;
  const weight = order.kind === "gradient" ? order.examples.count : 10;
  const metrics = { loss: 2 * weight, accuracy: 0.5 * weight };
  return { kind: "update", run, round, attempt, version, codec: "f32", weight, metrics, computeMs: 1, ...changes };
}

export interface TestRun {
  readonly coordinator: Coordinator;
  readonly clock: VirtualClock;
  readonly events: CoordinatorEvent[];
  join(options?: FakeOptions): FakeWorker;
  of<E extends CoordinatorEvent["event"]>(event: E): Extract<CoordinatorEvent, { event: E }>[];
}

export async function startRun(options: CoordinatorOptions = {}): Promise<TestRun> {
  const clock = virtualClock(() => turns(2));
  const coordinator = await createCoordinator({
    job: makeJob(),
    examples,
    ...options,
    run: { clock, gatherMs: 300, ...options.run },
  });
  const events: CoordinatorEvent[] = [];
  coordinator.on((event) => events.push(event));
  return {
    coordinator,
    clock,
    events,
    join(fake = {}) {
      const pair = memoryPair({ clock });
      coordinator.attach(pair.coordinator);
      return new FakeWorker(pair.worker, fake, pair);
    },
    of: (event) => events.filter((candidate): candidate is never => candidate.event === event),
  };
}
