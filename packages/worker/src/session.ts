/** One connection to a coordinator: hello, the job, then one order after another until the run or the link ends. */
import type { CoordinatorMessage, MessageOf } from "@weft/protocol";
import { protocolVersion } from "@weft/protocol";
import type { Connection, IncomingPayload } from "@weft/transport";
import { ConnectionError } from "@weft/transport";
import { codecKinds } from "@weft/vector";
import { AlteredError } from "./downloads.ts";
import { JobRefusedError } from "./errors.ts";
import type { WorkerOutcome } from "./events.ts";
import { checkAdmitted } from "./job.ts";
import { Orders } from "./orders.ts";
import { prepareJob } from "./preparedJobs.ts";
import type { Trainer } from "./training.ts";
import type { SessionContext } from "./options.ts";

/** Updates of unknown fate that a hello has room for; more than two are not to be expected. */
const maxOpenUpdates = 16;

export type SessionEnd =
  | WorkerOutcome
  /** The link ended or the coordinator asked to come back: reconnect. */
  | { readonly kind: "lost"; readonly reason: string };

export class Session {
  private readonly connection: Connection;
  private readonly context: SessionContext;
  private readonly ended = Promise.withResolvers<SessionEnd>();
  private readonly orders: Orders;
  private expectedJobHash = "";

  constructor(connection: Connection, context: SessionContext) {
    this.connection = connection;
    this.context = context;
    this.orders = new Orders(connection, context);
  }

  /** Until the run finishes, the coordinator turns us away, or the link is lost. Never rejects. */
  async run(): Promise<SessionEnd> {
    const { options, identity } = this.context;
    const open = identity.state.open.slice(-maxOpenUpdates);
    this.connection.listen((message, payload) => {
      this.receive(message as CoordinatorMessage, payload).catch((error: unknown) => this.fail(error));
    });
    void this.connection.closed.then(({ reason, code }) =>
      this.ended.resolve({ kind: "lost", reason: reason || `connection closed (${code})` }),
    );
    this.send({
      kind: "hello",
      protocol: protocolVersion,
      software: "weft",
      name: options.name,
      capabilities: {
        device: options.device,
        threads: options.threads,
        memoryBytes: options.policy.maxMemoryBytes,
        codecs: [...codecKinds],
      },
      ...(options.token === undefined ? {} : { token: options.token }),
      ...(identity.resume === undefined ? {} : { resume: identity.resume }),
      ...(options.run === undefined ? {} : { run: options.run }),
      holds: {
        job: identity.job?.hash,
        versions: identity.versions.held(),
        parts: identity.downloads.held(),
        ...(open.length === 0 ? {} : { updates: open }),
      },
    });
    const end = await this.ended.promise;
    this.orders.abandon();
    return end;
  }

  private async receive(message: CoordinatorMessage, payload: IncomingPayload | undefined): Promise<void> {
    const { identity, emit, options } = this.context;
    switch (message.kind) {
      case "welcome":
        await this.welcome(message);
        return;
      case "refused":
        this.ended.resolve(
          message.retry
            ? { kind: "lost", reason: message.reason }
            : { kind: "refused", code: message.code, reason: message.reason },
        );
        return;
      case "job": {
        const bytes = await this.collectJob(message, present(payload));
        const { prepare = prepareJob, policy } = options;
        await this.prepare(await prepare(bytes, this.expectedJobHash, policy));
        return;
      }
      case "weights":
        this.orders.weights(message, present(payload));
        return;
      case "partition":
        await this.orders.partition(present(payload));
        return;
      case "examples":
        this.orders.examples(message.request, await present(payload).collect());
        return;
      case "work":
        identity.state.settle(message.version);
        await this.orders.carryOut(message);
        return;
      case "verdict":
        identity.state.verdict(message, message.accepted, message.version);
        identity.pending.verdict(message);
        emit({ event: "verdict", round: message.round, accepted: message.accepted, reason: message.reason });
        return;
      case "committed":
        if (identity.state.settle(message.version)) void this.context.stored.save();
        this.orders.committed(message.version);
        emit({ event: "committed", round: message.round, version: message.version, metrics: message.metrics });
        return;
      case "finished":
        this.ended.resolve({ kind: "finished", reason: message.reason, metrics: message.metrics });
        return;
      default:
        message satisfies never;
    }
  }

  private async welcome(message: MessageOf<"welcome">): Promise<void> {
    const { identity, emit, welcomed } = this.context;
    const { worker, run, resume, jobHash } = message;
    identity.resume = resume;
    this.expectedJobHash = jobHash;
    const isSameRun = identity.run === run;
    identity.run = run;
    identity.versions.forget(isSameRun ? "awaited" : "all");
    if (!isSameRun) this.forgetRun();
    identity.pending.welcomed(message, isSameRun);
    identity.state.reconcile(message.counted ?? [], identity.pending.name);
    void this.context.stored.save();
    welcomed();
    emit({ event: "connected", url: this.connection.remote, worker, run });
    // The job is not sent to a worker that holds it.
    if (identity.job?.hash === jobHash) await this.prepare(identity.job.trainer);
  }

  /** What was kept of another run would be taken for this one's. */
  private forgetRun(): void {
    const { identity } = this.context;
    identity.state.clear();
    identity.served = undefined;
    identity.partition = undefined;
    // Its data was checked against the contract of another job.
    identity.ownData = undefined;
    identity.testData = undefined;
    this.orders.forgetShare();
  }

  private async collectJob({ hash, offset }: MessageOf<"job">, payload: IncomingPayload): Promise<Uint8Array> {
    try {
      if (hash !== this.expectedJobHash) throw new AlteredError(`${this.expectedJobHash} was announced, ${hash} came`);
      return await this.context.identity.downloads.collect(hash, payload, offset);
    } catch (error) {
      if (!(error instanceof AlteredError)) throw error;
      throw new JobRefusedError(`the job was altered on the way: ${error.message}`, { cause: error });
    }
  }

  /** Leaves when the order under way is done and its update answered; further orders are declined. */
  async drain(reason: string): Promise<void> {
    await this.orders.drain();
    await this.connection.send({ kind: "leave", reason }).catch(() => undefined);
    this.ended.resolve({ kind: "stopped", reason });
  }

  private async prepare(trainer: Trainer): Promise<void> {
    const { identity, emit, options } = this.context;
    const { document, manifest } = trainer.job;
    checkAdmitted({ name: document.name, hash: this.expectedJobHash }, options.policy);
    identity.job = { hash: this.expectedJobHash, trainer };
    if (options.data && !identity.ownData) identity.ownData = await options.data(document.data);
    if (options.testData && !identity.testData) identity.testData = await options.testData(document.data);
    const ownExamples = identity.ownData?.size;
    if (ownExamples === undefined && document.examples === 0) {
      throw new JobRefusedError(
        `job ${document.name} wants workers that bring their own data; give it with --data PATH`,
      );
    }
    this.orders.begin(trainer);
    const own = ownExamples === undefined ? {} : { ownExamples };
    emit({ event: "prepared", job: document.name, parameters: manifest.size, ...own });
    this.send({ kind: "ready", jobHash: this.expectedJobHash, ...own });
  }

  private send(message: Parameters<Connection["send"]>[0]): void {
    // A send fails only when the link has ended, which `closed` reports.
    this.connection.send(message).catch(() => undefined);
  }

  /** An error in one message: an order is declined, a job refused; anything else ends this session, not the process. */
  private fail(error: unknown): void {
    if (error instanceof ConnectionError) {
      this.ended.resolve({ kind: "lost", reason: error.message });
      return;
    }
    const reason = error instanceof Error ? error.message : String(error);
    const code = error instanceof JobRefusedError ? error.code : "worker-error";
    this.send({ kind: "refuse", code, reason: reason.slice(0, 2000) });
    this.ended.resolve({ kind: "refused", code, reason });
  }
}

/** The payload of a message that has one. */
function present(payload: IncomingPayload | undefined): IncomingPayload {
  if (payload) return payload;
  throw new Error("a message without its payload, which its parsing would have refused");
}
