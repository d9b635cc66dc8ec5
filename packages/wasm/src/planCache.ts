/** Plans of programs seen before: an equal Program is not scheduled again. Executables share a Plan, for its places are relative. */
import type { Program } from "@weft/tensor";
import { encode } from "@weft/tensor";
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
    const key = `${[...aliases].join(";")} ${textOf(program)}`;
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

const texts = new WeakMap<Program, string>();
/** Maps every byte to a character of its own. */
const latin1 = new TextDecoder("latin1");

/** Equal for equal programs only: their encoding, byte by byte. */
function textOf(program: Program): string {
  const text = texts.get(program) ?? latin1.decode(encode(program));
  texts.set(program, text);
  return text;
}
