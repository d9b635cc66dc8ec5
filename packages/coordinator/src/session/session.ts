/**
 * One connection: hello, welcome, job, ready; then work out and updates in. It checks who speaks and in which order, and
 * leaves every decision about rounds to the run.
 */
import type { Message, MessageOf } from "@weft/protocol";
import type { Clock, CloseReason, Connection, IncomingPayload, OutgoingPayload } from "@weft/transport";
import type { Logger } from "pino";
import type { Admission } from "../admission.ts";
import type { Broadcast } from "../versions/broadcast.ts";
import type { ServedExamples } from "./examples.ts";
import type { Identities, Identity } from "./identities.ts";
import { byHello, byReady } from "./turnedAway.ts";

/** An update that broke off: how much of the transfer is held, for its worker to go on with. */
export interface HeldTransfer {
  readonly id: string;
  readonly bytes: number;
}

export interface UpdateName {
  readonly round: number;
  readonly attempt: number;
}

export interface SessionContext {
  readonly run: string;
  readonly job: Uint8Array;
  readonly jobHash: string;
  /** Kinds of codecs that a worker has to know. */
  readonly codecs: readonly string[];
  /** Whether workers without data of their own can be served. */
  readonly servesExamples: boolean;
  readonly admission: Admission;
  readonly heartbeatMs: number;
  readonly clock: Clock;
  readonly identities: Identities;
  readonly examples: ServedExamples;
  readonly host: SessionHost;
  readonly log: Logger;
}

/** What a session reports to the run. */
export interface SessionHost {
  /** The hello was accepted; a session of the same worker that is still open gives way. */
  welcomed(session: Session): void;
  /** What is held of the worker's update, if one broke off and still counts. */
  heldTransfer(session: Session): HeldTransfer | undefined;
  /** The version that counts an update of this worker, gathered or committed. */
  counted(update: { readonly worker: string } & UpdateName): number | undefined;
  /** The newest version, for a worker that is nearly done with an older one. */
  newest(): Broadcast;
  ready(session: Session): void;
  update(session: Session, message: MessageOf<"update">, payload: IncomingPayload): Promise<void>;
  evaluated(session: Session, message: MessageOf<"evaluated">): void;
  declined(session: Session, message: MessageOf<"decline">): void;
  refused(session: Session, code: string, reason: string): void;
  /** The connection is gone, whoever it was with. */
  closed(session: Session): void;
  /** The connection of a worker that was welcomed has ended; `goodbye`: the worker said so before, or closed it in good order. */
  ended(session: Session, how: { readonly goodbye: boolean; readonly reason: string }): void;
  /** Something went wrong that is not the worker's fault. */
  failed(error: unknown): void;
}

/** Within five seconds, the time that telling takes included. */
const helloMs = 4000;
/** For compiling the job; a connection that never gets ready does not hold its place for ever. */
const readyMs = 10 * 60_000;
const maxQueuedFetches = 4;
const maxFetchBytes = 4 * 65_536;

const none: never[] = [];

type Stage = "hello" | "preparing" | "ready" | "ended";

export class Session {
  readonly connection: Connection;
  identity: Identity | undefined;
  device: string;
  ownExamples: number | undefined;
  readonly #context: SessionContext;
  #stage: Stage;
  /** Of the stage it is in. */
  #deadline: unknown;
  #goodbye: string | undefined;
  /** What the worker kept of earlier connections. */
  #holds: MessageOf<"hello">["holds"];
  /** Hashes of the versions that the worker holds for certain, the newest last. */
  #whole: readonly string[] = none;
  /** Versions sent whole, until the worker shows that it has them. */
  #reading: readonly { readonly hash: string; readonly version: number }[] = none;
  /** The version sent over this connection last, or held from before. */
  #heldVersion: number | undefined;
  /** Gives up sending a version; undefined when none is on its way. */
  #sending: AbortController | undefined;
  /** Those that wait for their answers, one after the other. */
  #fetches: Promise<void> | undefined;
  #queuedFetches = 0;

  /** @param introduced who the worker is, where hello, welcome and ready are behind it */
  constructor(
    connection: Connection,
    context: SessionContext,
    introduced?: { readonly identity: Identity; readonly device: string },
  ) {
    this.connection = connection;
    this.#context = context;
    this.identity = introduced?.identity;
    this.device = introduced?.device ?? "";
    this.#stage = introduced === undefined ? "hello" : "ready";
    if (introduced === undefined) this.#allow(helloMs, "no hello came");
    void connection.closed.then(this.#end.bind(this));
    connection.listen(this.#receive.bind(this));
  }

  get isReady(): boolean {
    return this.#stage === "ready";
  }

  get worker(): string {
    return this.identity?.worker ?? "";
  }

  /** The version that was sent last. */
  get heldVersion(): number | undefined {
    return this.#heldVersion;
  }

  /** Ends here and now; the run hears nothing of it. */
  letGo(reason: string): void {
    this.#stage = "ended";
    this.#inTime();
    this.close(1000, reason);
  }

  /** Sends, unless the connection has ended; that is told by `ended`. */
  send(message: Message, payload?: OutgoingPayload, signal?: AbortSignal): Promise<boolean> {
    return this.connection.send(message, payload, signal && { signal }).then(
      () => true,
      () => false,
    );
  }

  /** Sends the weights unless the worker has them, then the order. */
  sendWork(message: MessageOf<"work">, broadcast: Broadcast): void {
    this.#sendVersion(broadcast);
    void this.send(message);
  }

  /** One version at a time: a newer one takes the place of one that is still on its way. */
  #sendVersion({ version, codec, bytes, hash, deltas }: Broadcast): void {
    if (this.#heldVersion === version) return;
    this.#heldVersion = version;
    if (this.#holds?.versions.some((held) => held.version === version && held.hash === hash) === true) return;
    this.#sending?.abort();
    const sending = new AbortController();
    this.#sending = sending;
    const begun = this.#heldPart(hash, bytes.length);
    // Of several ways, the one from the newest version that the worker holds.
    const delta = begun === undefined ? [...deltas].find(([from]) => this.#whole.includes(from))?.[1] : undefined;
    const payload = delta?.bytes ?? bytes;
    const offset = begun ?? (delta && this.#heldPart(delta.hash, delta.bytes.length));
    const way = delta && { from: delta.from, hash: delta.hash };
    const message = { kind: "weights", run: this.#context.run, version, codec, hash, offset, delta: way } as const;
    if (delta === undefined) this.#reading = [...this.#reading, { hash, version }];
    void this.send(message, payload.subarray(offset), sending.signal).then((isSent) => {
      if (this.#sending === sending) this.#sending = undefined;
      if (isSent) this.#keptBy(hash);
    });
  }

  /** The worker has a version whole, and lets go of all but the newest two. */
  #keptBy(hash: string): void {
    // One that is alike to the one before is another all the same.
    this.#whole = [...this.#whole, hash].slice(-2);
  }

  /** Whether bytes of that version may still be on their way, from where they lie. */
  mayRead(hash: string): boolean {
    return this.#reading.some((sent) => sent.hash === hash);
  }

  /** The worker answers on a version, so it has it; whatever was sent before that has left. */
  #hasRead(version: number): void {
    this.#reading = this.#reading.filter((sent) => sent.version > version);
  }

  /** Whether the worker holds the version of that hash. */
  holds(hash: string): boolean {
    return this.#whole.includes(hash);
  }

  /** Bytes of a payload that the worker said it holds of it; undefined for none. */
  #heldPart(hash: string, bytes: number): number | undefined {
    const held = this.#holds?.parts.find((part) => part.hash === hash)?.bytes ?? 0;
    return held > 0 && held <= bytes ? held : undefined;
  }

  sendPartition(indices: Uint32Array): void {
    const bytes = new Uint8Array(indices.buffer, indices.byteOffset, indices.byteLength);
    void this.send({ kind: "partition", examples: indices.length }, bytes);
  }

  close(code: number, reason: string): void {
    this.connection.close(code, reason);
  }

  #receive(message: Message, payload: IncomingPayload | undefined): void {
    switch (message.kind) {
      case "hello":
        this.#hello(message);
        break;
      case "ready":
        this.#ready(message);
        break;
      case "refuse":
        this.#context.host.refused(this, message.code, message.reason);
        this.#sayGoodbye(`refused the job: ${message.reason}`);
        break;
      case "leave":
        this.#sayGoodbye(message.reason);
        break;
      case "fetch":
        if (this.#stage === "hello" || payload === undefined) this.#violation("fetch before hello");
        else this.#queueFetch(message.request, payload);
        break;
      case "update":
        if (this.#stage !== "ready" || payload === undefined) this.#violation("update before ready");
        else this.#update(message, payload);
        break;
      case "prefetch":
        if (this.#stage === "ready") this.#sendVersion(this.#context.host.newest());
        else this.#violation("prefetch before ready");
        break;
      case "evaluated":
        if (this.#stage === "ready") this.#context.host.evaluated(this, message);
        else this.#violation("evaluated before ready");
        break;
      case "decline":
        if (this.#stage === "ready") this.#context.host.declined(this, message);
        else this.#violation("decline before ready");
        break;
      default:
        this.#violation(`${message.kind} is not for a worker to send`);
    }
  }

  #update(message: MessageOf<"update">, payload: IncomingPayload): void {
    this.#hasRead(message.version);
    this.#context.host.update(this, message, payload).catch((error: unknown) => this.#fail(error));
  }

  #hello(hello: MessageOf<"hello">): void {
    if (this.#stage !== "hello") {
      this.#violation("hello twice");
      return;
    }
    const away = byHello(hello, this.#context);
    if (away !== undefined) {
      this.refuse(away.code, away.reason);
      return;
    }
    const { identities, host, run, job, jobHash, heartbeatMs } = this.#context;
    const { identity, resumeToken } = identities.identify(hello.name, hello.resume);
    const { worker } = identity;
    this.identity = identity;
    this.device = hello.capabilities.device;
    this.#stage = "preparing";
    this.#allow(readyMs, "the worker did not get ready");
    host.welcomed(this);
    this.#heed(hello.holds);
    const transfer = host.heldTransfer(this);
    const counted = hello.holds?.updates?.flatMap(({ round, attempt }) => {
      const version = host.counted({ worker, round, attempt });
      return version === undefined ? [] : [{ round, attempt, version }];
    });
    void this.send({ kind: "welcome", worker, resume: resumeToken, run, jobHash, heartbeatMs, transfer, counted });
    if (hello.holds?.job === jobHash) return;
    const offset = this.#heldPart(jobHash, job.length);
    void this.send({ kind: "job", hash: jobHash, offset }, job.subarray(offset));
  }

  /** What the worker kept of earlier connections, where that is anything. */
  #heed(holds: MessageOf<"hello">["holds"]): void {
    if (holds === undefined || holds.versions.length + holds.parts.length === 0) return;
    this.#holds = holds;
    this.#whole = holds.versions.map(({ hash }) => hash);
  }

  #ready(ready: MessageOf<"ready">): void {
    if (this.#stage !== "preparing") {
      this.#violation("ready without a welcome before");
      return;
    }
    const away = byReady(ready, this.#context);
    if (away !== undefined) {
      this.refuse(away.code, away.reason);
      return;
    }
    this.ownExamples = ready.ownExamples;
    this.#stage = "ready";
    this.#inTime();
    this.#context.host.ready(this);
  }

  /** Turns the worker away for good. */
  refuse(code: string, reason: string): void {
    this.#context.host.refused(this, code, reason);
    void this.send({ kind: "refused", code, reason, retry: false });
    this.close(1008, reason);
  }

  #sayGoodbye(reason: string): void {
    this.#goodbye = reason;
    this.close(1000, "goodbye");
  }

  /** Answers one at a time: a worker that asks without reading holds no more than one answer in memory. */
  #queueFetch(request: number, payload: IncomingPayload): void {
    if (payload.bytes > maxFetchBytes) {
      this.#violation(`fetch: at most ${maxFetchBytes} bytes of indices expected, got ${payload.bytes}`);
      return;
    }
    this.#queuedFetches += 1;
    if (this.#queuedFetches > maxQueuedFetches) {
      this.#violation(`more than ${maxQueuedFetches} fetches at once`);
      return;
    }
    this.#fetches = (this.#fetches ?? Promise.resolve())
      .then(() => this.#answerFetch(request, payload))
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#queuedFetches -= 1;
        if (this.#queuedFetches === 0) this.#fetches = undefined;
      });
  }

  async #answerFetch(request: number, payload: IncomingPayload): Promise<void> {
    const asked = await payload.collect().catch(() => undefined);
    if (asked === undefined) return;
    const rows = this.#context.examples.rows(asked);
    if (typeof rows === "string") this.#violation(`fetch: ${rows}`);
    else await this.send({ kind: "examples", request }, rows);
  }

  #violation(reason: string): void {
    this.#context.log.warn({ remote: this.connection.remote, worker: this.worker, reason }, "message refused");
    this.close(1008, reason);
  }

  #fail(error: unknown): void {
    this.close(1011, "internal error");
    this.#context.host.failed(error);
  }

  /** So much time for the stage that begins. */
  #allow(ms: number, reason: string): void {
    this.#inTime();
    this.#deadline = this.#context.clock.setTimer(() => {
      this.close(1008, `${reason} within ${ms} ms`);
    }, ms);
  }

  #inTime(): void {
    this.#context.clock.clearTimer(this.#deadline);
    this.#deadline = undefined;
  }

  #end({ code, reason }: CloseReason): void {
    const before = this.#stage;
    this.#stage = "ended";
    this.#inTime();
    const { host } = this.#context;
    if (before !== "ended" && this.identity !== undefined) {
      // 1000 and 1001: closed on purpose, such as a page that its reader leaves.
      const goodbye = this.#goodbye !== undefined || code === 1000 || code === 1001;
      host.ended(this, { goodbye, reason: this.#goodbye ?? (reason || `connection lost (${code})`) });
    }
    host.closed(this);
  }
}
