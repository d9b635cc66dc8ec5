/** How many operands each primitive takes, as tuples, so that rules can name them. */
import type { Tensor } from "./graph.ts";
import type { BinaryPrimitive, BitwisePrimitive } from "./primitive.ts";
import type { ManyResults, Primitive } from "./program.ts";

type None = "constant" | "iota";
type Two =
  | BinaryPrimitive
  | BitwisePrimitive
  | "compare"
  | "pad"
  | "dot"
  | "conv"
  | "convInputGradient"
  | "convKernelGradient"
  | "windowScatter"
  | "windowGather"
  | "gather";
type Three = "select" | "scatterAdd";
type Many = "concat" | ManyResults;

/** The operands of a primitive; T is what stands for an operand. */
export type Operands<P extends Primitive, T = Tensor> = P extends None
  ? readonly []
  : P extends Two
    ? readonly [T, T]
    : P extends Three
      ? readonly [T, T, T]
      : P extends Many
        ? readonly T[]
        : readonly [T];
