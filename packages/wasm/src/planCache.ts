/** Plans of programs seen before: an equal Program is not scheduled again. Executables share a Plan, for its places are relative. */
import type { Program } from "@weft/tensor";
import { programText } from "@weft/tensor";
import type { Plan } from "./plan.ts";

type Aliases = ReadonlyMap<number, number>;

/** Plans kept for programs to come; the least recently used goes first. */
const keptPlans = 128;
/** Programs that hold more known data than this are taken for one of a kind: their text would take longer than it saves. */
const mostLiteralBytes = 2 ** 18;

export class PlanCache {
  /** In order of use, the oldest first. */
  readonly #plans = new Map<string, Plan>();
  readonly #size: number;

  constructor(size = keptPlans) {
    this.#size = size;
  }

  /** The plan of an equal program with equal aliases, or else what `compile` makes. */
  get(program: Program, aliases: Aliases, compile: () => Plan): Plan {
    if (literalBytes(program) > mostLiteralBytes) return compile();
    const key = `${[...aliases].join(";")} ${programText(program)}`;
    const plan = this.#plans.get(key) ?? compile();
    this.#plans.delete(key);
    this.#plans.set(key, plan);
    if (this.#plans.size > this.#size) {
      const [oldest] = this.#plans.keys();
      this.#plans.delete(oldest!);
    }
    return plan;
  }
}

const literalBytes = ({ literals }: Program) => literals.reduce((sum, { data }) => sum + data.byteLength, 0);
