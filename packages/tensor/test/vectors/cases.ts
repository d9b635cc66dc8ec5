/** The golden vectors as data; `ops.json` says what its fields mean. */
import { readFileSync } from "node:fs";
import type { PadPair, Tensor } from "@weft/tensor";

export interface GoldenTensor {
  readonly shape: readonly number[];
  readonly dtype?: "i32" | "bool";
  readonly data: readonly number[];
}

/** Parameters of all operations together; each has some. */
export interface Attributes {
  readonly act?: "relu" | "tanh";
  readonly alpha?: number;
  readonly approximate?: "none" | "tanh";
  readonly axes?: number;
  readonly axis?: number | readonly number[] | null;
  readonly begin?: readonly number[];
  readonly beta?: number;
  readonly causal?: boolean;
  readonly clip?: number;
  readonly correction?: number;
  readonly count_include_pad?: boolean;
  readonly delta?: number;
  readonly depth?: number;
  readonly descending?: boolean;
  readonly dilation?: number | readonly number[];
  readonly end?: readonly number[];
  readonly eps?: number;
  readonly equation?: string;
  readonly exponent?: number;
  readonly groups?: number;
  readonly heads?: number;
  readonly ignore_index?: number;
  readonly k?: number;
  readonly keepdims?: boolean;
  readonly label_smoothing?: number;
  readonly max?: number;
  readonly min?: number;
  readonly mode?: "constant" | "reflect";
  readonly momentum?: number;
  readonly output_padding?: number | readonly number[];
  readonly padding?: number | readonly number[] | readonly PadPair[];
  readonly pads?: readonly PadPair[];
  readonly perm?: readonly number[];
  readonly pool?: number;
  readonly pos_weight?: number;
  readonly reduction?: "mean" | "sum" | "none";
  readonly reps?: readonly number[];
  readonly return?: "sequence" | "last_c";
  readonly reverse?: boolean;
  readonly scale?: number;
  readonly shape?: readonly number[];
  readonly slope?: number;
  readonly step?: readonly number[];
  readonly stride?: number | readonly number[];
  readonly training?: boolean;
  readonly transpose_a?: boolean;
  readonly transpose_b?: boolean;
  readonly value?: number;
  readonly window?: number | readonly number[];
}

export interface GoldenCase {
  readonly name: string;
  readonly op: string;
  readonly attrs: Attributes;
  readonly inputs: readonly GoldenTensor[];
  readonly output: GoldenTensor;
  readonly extra?: Readonly<Record<string, GoldenTensor>>;
  readonly cotangent?: GoldenTensor;
  readonly grads: readonly (GoldenTensor | null)[];
  readonly second?: { readonly value: number; readonly grads: readonly (GoldenTensor | null)[] };
  readonly compare?: "element";
  readonly tol_f32: number;
  readonly atol_f32: number;
}

export interface Results {
  readonly output: Tensor;
  /** Further named results. */
  readonly extra?: Readonly<Record<string, Tensor>>;
}

/** How an operation of the vectors is written with this package. */
export type Operation = (inputs: readonly Tensor[], attrs: Attributes) => Tensor | Results;

/** A field of the attributes that the operation cannot do without. */
export function given<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new Error(`the case has no attribute ${name}`);
  return value;
}

const file = new URL("./ops.json", import.meta.url);
export const goldenCases = (JSON.parse(readFileSync(file, "utf8")) as { readonly cases: readonly GoldenCase[] }).cases;
