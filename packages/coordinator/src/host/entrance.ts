/** Where connections come in before it is known which run they are for: a hello decides, or time does. */
import type { Message, MessageOf } from "@weft/protocol";
import { limitsFor } from "@weft/protocol";
import type { AcceptedConnection, Clock, Connection, IncomingPayload } from "@weft/transport";
import type { Logger } from "pino";
import type { Admission } from "../admission.ts";
import { chooseRun, type Enterable } from "./chooseRun.ts";

export interface EntranceContext {
  readonly admission: Admission;
  readonly clock: Clock;
  readonly log: Logger;
  /** Those under way. */
  readonly runs: () => readonly Enterable[];
}

/** Within five seconds, the time that telling takes included. */
const helloMs = 4000;
/** Nothing with a payload is expected from strangers. */
const strangersLimits = limitsFor({ parameters: 0, maxFetchExamples: 0 });

export class Entrance {
  readonly #context: EntranceContext;
  /** The timers of those that have not said yet what they want. */
  readonly #strangers = new Map<AcceptedConnection, unknown>();

  constructor(context: EntranceContext) {
    this.#context = context;
  }

  /** Takes a connection and hands it to its run, which sees the hello as if it had listened from the start. */
  enter(connection: AcceptedConnection): void {
    const timer = this.#context.clock.setTimer(() => {
      connection.close(1008, `no hello came within ${helloMs} ms`);
    }, helloMs);
    this.#strangers.set(connection, timer);
    connection.limit(strangersLimits);
    connection.listen((message, payload) => {
      this.#meet(connection, message, payload);
    });
  }

  /** A connection has said what it wants, or is gone. */
  left(connection: AcceptedConnection): void {
    this.#context.clock.clearTimer(this.#strangers.get(connection));
    this.#strangers.delete(connection);
  }

  close(): void {
    for (const connection of this.#strangers.keys()) connection.close(1001, "the coordinator is closing");
  }

  #meet(connection: AcceptedConnection, message: Message, payload: IncomingPayload | undefined): void {
    this.left(connection);
    if (message.kind !== "hello") {
      payload?.discard();
      connection.close(1008, `${message.kind} before hello`);
      return;
    }
    const run = runFor(message, connection, this.#context);
    if (run === undefined) return;
    this.#context.log.debug({ remote: connection.remote, run: run.run }, "connection handed to its run");
    connection.limit(run.limits);
    connection.pass(message);
    run.attach(connection);
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
