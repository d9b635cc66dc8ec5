/**
 * A timeline of rounds that browsers' developer tools open: events of the Trace Event Format (Google, "Trace Event Format",
 * JSON array form), one process for each run, one thread for its rounds and one for each worker.
 */
import type { Coordinator } from "../coordinator.ts";
import type { Decide } from "../options.ts";
import type { RunEffect, RunEvent } from "../round/runEvent.ts";
import { step } from "../round/step.ts";
import { AppendedFile } from "./appendedFile.ts";

export interface Timeline {
  /** For a run that is about to start: its `run.decide`, and what to call with the run once it is there. */
  track(): { readonly decide: Decide; readonly begin: (coordinator: Coordinator) => void };
  /** Ends the file in good order; one that was cut off can be opened all the same. */
  close(): void;
}

interface Span {
  readonly name: string;
  readonly fromMs: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/** @throws {StoreError} when the file cannot be written */
export function createTimeline(path: string): Timeline {
  const file = new AppendedFile(path, "anew");
  let tracks = 0;
  file.append('[{"name":"weft","ph":"M","pid":0,"tid":0,"args":{}}');
  return {
    track() {
      const track = new Track(++tracks, (entry) => {
        file.append(`,\n${JSON.stringify(entry)}`);
      });
      return {
        decide: (state, event) => {
          const stepped = step(state, event);
          track.note(event);
          for (const effect of stepped.effects) track.follow(effect, event.nowMs);
          return stepped;
        },
        begin: (coordinator) => {
          track.begin(coordinator);
        },
      };
    },
    close() {
      file.append("\n]\n");
      file.close();
    },
  };
}

const roundsThread = 0;

class Track {
  readonly #process: number;
  readonly #write: (entry: object) => void;
  /** Spans that have begun, by thread; one at a time on each. */
  readonly #open = new Map<number, Span>();
  readonly #threads = new Map<string, number>();

  constructor(process: number, write: (entry: object) => void) {
    this.#process = process;
    this.#write = write;
  }

  begin(coordinator: Coordinator): void {
    this.#call("process_name", roundsThread, `${coordinator.name} ${coordinator.run}`);
    this.#call("thread_name", roundsThread, "rounds");
    coordinator.on((event) => {
      if (event.event === "workerJoined") {
        this.#call("thread_name", this.#threadOf(event.worker), `${event.name} ${event.worker}`);
      }
    });
  }

  /** What happened ends spans, */
  note(event: RunEvent): void {
    switch (event.kind) {
      case "updateBegun": {
        const { worker, round, attempt, nowMs } = event;
        this.#end(worker, nowMs, {});
        this.#begin(worker, { name: `upload ${round}`, fromMs: nowMs, args: { round, attempt } });
        return;
      }
      case "updateArrived":
        this.#end(event.worker, event.nowMs, { outcome: "arrived" });
        return;
      case "updateInvalid":
      case "declined":
        this.#end(event.worker, event.nowMs, { outcome: event.reason.code, reason: event.reason.text });
        return;
      case "updateBroken":
      case "disconnected":
      case "left":
        this.#end(event.worker, event.nowMs, { outcome: event.kind });
        return;
      case "evaluated":
        this.#end(event.worker, event.nowMs, { outcome: "evaluated" });
        return;
      case "committed":
        this.#end(undefined, event.nowMs, {});
        return;
      default:
    }
  }

  /** and what follows from it begins others. */
  follow(effect: RunEffect, nowMs: number): void {
    switch (effect.kind) {
      case "open": {
        const { round, attempt } = effect;
        this.#end(undefined, nowMs, {});
        this.#begin(undefined, { name: `round ${round}`, fromMs: nowMs, args: { round, attempt } });
        return;
      }
      case "sendWork": {
        const { worker, round, attempt, version, order } = effect;
        this.#end(worker, nowMs, { outcome: "superseded" });
        const name = order.kind === "evaluate" ? `evaluate ${version}` : `work ${round}`;
        this.#begin(worker, { name, fromMs: nowMs, args: { round, attempt, version, order: order.kind } });
        return;
      }
      case "commit": {
        const { round, attempt, uploads, cohort } = effect;
        this.#end(undefined, nowMs, { updates: uploads.length, cohort: cohort.length });
        this.#begin(undefined, { name: `commit ${round}`, fromMs: nowMs, args: { round, attempt } });
        return;
      }
      case "reopened":
        this.#end(undefined, nowMs, { outcome: effect.reason });
        return;
      case "verdict":
        if (!effect.verdict.accepted) this.#end(effect.worker, nowMs, { outcome: effect.verdict.code });
        return;
      default:
    }
  }

  /** Of a worker, or of the rounds. */
  #threadOf(worker: string | undefined): number {
    if (worker === undefined) return roundsThread;
    const thread = this.#threads.get(worker) ?? this.#threads.size + 1;
    if (!this.#threads.has(worker)) this.#threads.set(worker, thread);
    return thread;
  }

  #begin(worker: string | undefined, span: Span): void {
    this.#open.set(this.#threadOf(worker), span);
  }

  #end(worker: string | undefined, nowMs: number, more: Readonly<Record<string, unknown>>): void {
    const thread = this.#threadOf(worker);
    const span = this.#open.get(thread);
    if (span === undefined) return;
    this.#open.delete(thread);
    // Both ends are rounded, not the time between: a span may not reach into the next one by a microsecond.
    const [ts, end] = [Math.round(1000 * span.fromMs), Math.round(1000 * nowMs)];
    const at = { ph: "X", pid: this.#process, tid: thread, ts, dur: end - ts };
    this.#write({ name: span.name, cat: "round", ...at, args: { ...span.args, ...more } });
  }

  /** Gives a process or thread its name. */
  #call(what: "process_name" | "thread_name", thread: number, name: string): void {
    this.#write({ name: what, ph: "M", pid: this.#process, tid: thread, args: { name } });
  }
}
