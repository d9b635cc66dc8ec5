/** Where connections come in before it is known which run they are for: a hello decides, or time does. */
import type { Message, MessageOf, PayloadLimits } from "@weft/protocol";
import { limitsFor } from "@weft/protocol";
import type {
  Clock,
  CloseReason,
  Connection,
  ConnectionStats,
  IncomingPayload,
  MessageListener,
  OutgoingPayload,
} from "@weft/transport";
import type { Logger } from "pino";
import type { Admission } from "../http/admission.ts";
import { chooseRun, type Enterable } from "./chooseRun.ts";

export interface EntranceContext {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly log: Logger;
  /** Those under way. */
  readonly runs: () => readonly Enterable[];
}

const helloMs = 5000;
/** Nothing with a payload is expected from strangers. */
const strangersLimits = limitsFor({ parameters: 0, maxFetchExamples: 0 });

export class Entrance {
  readonly #context: EntranceContext;
  /** Those that have not said yet what they want. */
  readonly #waiting = new Set<Connection>();

  constructor(context: EntranceContext) {
    this.#context = context;
  }

  /** Takes a connection and hands it to its run, which sees the hello as if it had listened from the start. */
  enter(open: (limits: () => PayloadLimits) => Connection): void {
    const { clock, log } = this.#context;
    let limits = strangersLimits;
    let handed: HandedConnection | undefined;
    const connection = open(() => limits);
    this.#waiting.add(connection);
    const timer = clock.setTimer(() => {
      connection.close(1008, `no hello came within ${helloMs} ms`);
    }, helloMs);
    const known = () => {
      clock.clearTimer(timer);
      this.#waiting.delete(connection);
    };
    void connection.closed.then(known);
    connection.listen((message, payload) => {
      if (handed !== undefined) {
        handed.deliver(message, payload);
        return;
      }
      known();
      if (message.kind !== "hello") {
        payload?.discard();
        connection.close(1008, `${message.kind} before hello`);
        return;
      }
      const run = runFor(message, connection, this.#context);
      if (run === undefined) return;
      limits = run.limits;
      handed = new HandedConnection(connection);
      log.debug({ remote: connection.remote, run: run.run }, "connection handed to its run");
      run.attach(handed);
      handed.deliver(message, undefined);
    });
  }

  close(): void {
    for (const connection of this.#waiting) connection.close(1001, "the coordinator is closing");
  }
}

/** Undefined when it is turned away. What runs there are is told to nobody without a token; any run can say that it is wrong. */
function runFor(
  hello: MessageOf<"hello">,
  connection: Connection,
  { admission, runs, log }: EntranceContext,
): Enterable | undefined {
  const present = runs();
  const chosen = admission.allows(hello.token, "worker")
    ? chooseRun(hello, present)
    : (present[0] ?? chooseRun({}, []));
  if ("attach" in chosen) return chosen;
  const { code, reason, retry } = chosen;
  log.info({ remote: connection.remote, code, reason }, "connection turned away");
  const close = () => {
    connection.close(retry ? 1013 : 1008, reason);
  };
  connection.send({ kind: "refused", code, reason, retry }).then(close, close);
  return undefined;
}

/** A connection whose first listener has given it on. */
class HandedConnection implements Connection {
  readonly #connection: Connection;
  #listener: MessageListener | undefined;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  get remote(): string {
    return this.#connection.remote;
  }

  get stats(): ConnectionStats {
    return this.#connection.stats;
  }

  get closed(): Promise<CloseReason> {
    return this.#connection.closed;
  }

  deliver(message: Message, payload: IncomingPayload | undefined): void {
    this.#listener?.(message, payload);
  }

  listen(listener: MessageListener): void {
    this.#listener = listener;
  }

  send(message: Message, payload?: OutgoingPayload, options?: { readonly signal?: AbortSignal }): Promise<void> {
    return this.#connection.send(message, payload, options);
  }

  close(code: number, reason: string): void {
    this.#connection.close(code, reason);
  }
}
