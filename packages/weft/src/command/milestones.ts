/** What it took to come to an accuracy: the round, and the bytes until then. */
import type { CoordinatorEvent } from "@weft/coordinator";

type Evaluated = Pick<
  Extract<CoordinatorEvent, { event: "evaluated" }>,
  "version" | "metrics" | "bytesUp" | "bytesDown"
>;

export interface Milestone {
  readonly metric: string;
  /** As a share. */
  readonly level: number;
  /** The first round whose version was measured to have it. */
  readonly round: number;
  readonly bytesUp: number;
  readonly bytesDown: number;
}

const levels = [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.999];

export class Milestones {
  readonly #reached: Milestone[] = [];
  /** The highest level reached so far. */
  #best = 0;
  /** Where a run goes on, what its first evaluation has was reached before, nobody knows when. */
  #isResumed = false;

  resumed(): void {
    this.#isResumed = true;
  }

  note({ version, metrics, bytesUp, bytesDown }: Evaluated): void {
    const [metric, value = 0] = Object.entries(metrics).find(([name]) => /accuracy/i.test(name)) ?? [];
    const level = levels.findLast((each) => value >= each);
    if (metric === undefined || level === undefined || level <= this.#best) return;
    this.#best = level;
    if (!this.#isResumed) this.#reached.push({ metric, level, round: version, bytesUp, bytesDown });
    this.#isResumed = false;
  }

  /** The last so many. */
  last(count: number): readonly Milestone[] {
    return this.#reached.slice(-count);
  }
}
