/** Tells workers what became of their updates, and writes one line of the log for each of them. */
import type { MessageOf } from "@weft/protocol";
import type { Clock } from "@weft/transport";
import type { Logger } from "pino";
import type { CoordinatorEvent } from "../events.ts";
import type { RunEffect } from "../round/runEvent.ts";
import type { Session } from "../session/session.ts";

/** An update from its header to its verdict. */
interface Arriving {
  readonly round: number;
  readonly attempt: number;
  readonly codec: string;
  /** Of its payload over this connection. */
  readonly bytes: number;
  readonly computeMs: number;
  readonly sinceMs: number;
}

export interface VerdictsParts {
  readonly clock: Clock;
  readonly log: Logger;
  readonly emit: (event: CoordinatorEvent) => void;
}

export class Verdicts {
  readonly #parts: VerdictsParts;
  /** The newest of each worker. */
  readonly #arriving = new Map<string, Arriving>();

  constructor(parts: VerdictsParts) {
    this.#parts = parts;
  }

  arriving(worker: string, { round, attempt, codec, computeMs }: MessageOf<"update">, bytes: number): void {
    this.#arriving.set(worker, { round, attempt, codec, bytes, computeMs, sinceMs: this.#parts.clock.now() });
  }

  /** Of a worker that has gone nothing arrives any more. */
  gone(worker: string): void {
    this.#arriving.delete(worker);
  }

  give(session: Session | undefined, effect: Omit<Extract<RunEffect, { kind: "verdict" }>, "kind">): void {
    const { worker, round, attempt, verdict } = effect;
    const { accepted, code, text: reason, version } = verdict;
    const goesInto = version === undefined ? {} : { version };
    void session?.send({ kind: "verdict", round, attempt, accepted, code, reason, ...goesInto });
    this.#note(effect);
    if (!accepted) this.#parts.emit({ event: "refusedUpdate", worker, round, code, reason });
  }

  /** Accepted ones are for those who look closely; a refused one is for everybody who looks. */
  #note({ worker, round, attempt, verdict }: Parameters<Verdicts["give"]>[1]): void {
    const { log, clock } = this.#parts;
    const { accepted, code, text: reason } = verdict;
    const known = this.#arriving.get(worker);
    const isSame = known?.round === round && known.attempt === attempt;
    if (isSame) this.#arriving.delete(worker);
    const { codec, bytes, computeMs, sinceMs } = isSame ? known : {};
    const ms = sinceMs === undefined ? undefined : clock.now() - sinceMs;
    const line = { worker, round, attempt, codec, bytes, ms, computeMs };
    if (accepted) log.debug(line, "update accepted");
    else log.info({ ...line, code, reason }, "update refused");
  }
}
