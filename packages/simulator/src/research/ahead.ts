/**
 * Computes updates ahead of the virtual time at which they are due, in that order, so that threads never wait for the round; no
 * further than they need to be busy, for of what is due later some may never be wanted. Threads that wait have the first that are
 * planned, whenever those are due: the rest of a round is still being made.
 */
import type { Compute, TrainingAnswer, TrainingTask } from "../compute/compute.ts";

export interface Planned {
  /** Begun at once, if it has not been. */
  readonly answer: () => Promise<TrainingAnswer>;
  /** Nobody wants it any more. */
  readonly cancel: () => void;
}

interface Entry {
  readonly dueMs: number;
  readonly task: TrainingTask;
  answer: Promise<TrainingAnswer> | undefined;
  cancelled: boolean;
}

export class Ahead {
  readonly #compute: Compute;
  /** Not begun, the one due first last. */
  #planned: Entry[] = [];
  #isSorted = true;
  #underway = 0;
  /** Begun, and neither fetched nor cancelled. */
  #begun = 0;

  constructor(compute: Compute) {
    this.#compute = compute;
  }

  plan(task: TrainingTask, dueMs: number): Planned {
    const entry: Entry = { dueMs, task, answer: undefined, cancelled: false };
    if (this.#hasRoom()) void this.#begin(entry);
    else {
      this.#planned.push(entry);
      this.#isSorted = false;
    }
    return {
      answer: () => {
        const answer = entry.answer ?? this.#begin(entry);
        this.#begun -= 1;
        this.fill();
        return answer;
      },
      cancel: () => {
        if (entry.cancelled) return;
        entry.cancelled = true;
        if (entry.answer === undefined) return;
        this.#begun -= 1;
        entry.answer.then((answer) => {
          this.#compute.done(answer);
        }, ignore);
      },
    };
  }

  /** Whether there are threads for more than is begun. */
  #hasRoom(): boolean {
    const { atOnce } = this.#compute;
    return atOnce > 1 && this.#underway < atOnce && this.#begun < 2 * atOnce;
  }

  /** Begins what is due first, as far as there are threads for it. */
  fill(): void {
    if (!this.#hasRoom()) return;
    if (!this.#isSorted) {
      // What was begun, or is not wanted, goes out here.
      this.#planned = this.#planned.filter(isOpen).sort((a, b) => b.dueMs - a.dueMs);
      this.#isSorted = true;
    }
    while (this.#hasRoom()) {
      const entry = this.#planned.pop();
      if (entry === undefined) return;
      if (isOpen(entry)) void this.#begin(entry);
    }
  }

  #begin(entry: Entry): Promise<TrainingAnswer> {
    this.#underway += 1;
    this.#begun += 1;
    const answer = this.#compute.train(entry.task).finally(() => {
      this.#underway -= 1;
      this.fill();
    });
    // Its failure is told when it is due.
    answer.catch(ignore);
    entry.answer = answer;
    return answer;
  }
}

const isOpen = ({ answer, cancelled }: Entry): boolean => answer === undefined && !cancelled;
const ignore = (): void => undefined;
