/** What every engine starts from: the same weights and the same batch, made once, handed over as a safetensors file. */
import { readFileSync, writeFileSync } from "node:fs";
import type { SafeTensor } from "@weft/vector";
import { decodeSafetensors, encodeSafetensors } from "@weft/vector";

export interface Input {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
}

export interface Inputs {
  /** Weights by path, such as `dense.kernel`: all names with a dot. */
  readonly weights: Readonly<Record<string, Input>>;
  /** Batches and operands: all names without one. */
  readonly data: Readonly<Record<string, Input>>;
  /** Learning rates and the like. */
  readonly settings: Readonly<Record<string, number>>;
}

export function readInputs(path: string): Inputs {
  const { tensors, metadata } = decodeSafetensors(readFileSync(path));
  const all = [...tensors].map(([name, { shape, data }]) => [name, { shape, data } as Input] as const);
  return {
    weights: Object.fromEntries(all.filter(([name]) => name.includes("."))),
    data: Object.fromEntries(all.filter(([name]) => !name.includes("."))),
    settings: Object.fromEntries(Object.entries(metadata).map(([name, value]) => [name, Number(value)])),
  };
}

export function writeInputs(path: string, { weights, data, settings }: Inputs): void {
  const tensors = Object.entries({ ...weights, ...data }).map(([name, { shape, data }]): SafeTensor => {
    return data instanceof Float32Array ? { name, dtype: "F32", shape, data } : { name, dtype: "I32", shape, data };
  });
  const metadata = Object.fromEntries(Object.entries(settings).map(([name, value]) => [name, `${value}`]));
  writeFileSync(path, encodeSafetensors(tensors, metadata));
}

/** Makes inputs from one stream of repeatable numbers (xorshift32). */
export function inputMaker(seed: number) {
  let state = (seed * 2654435761) >>> 0;
  const uniform = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
  const fill = (shape: readonly number[], value: () => number): Input => ({
    shape,
    data: Float32Array.from({ length: sizeOf(shape) }, value),
  });
  return {
    between: (low: number, high: number, shape: readonly number[]) => fill(shape, () => low + (high - low) * uniform()),
    constant: (value: number, shape: readonly number[]) => fill(shape, () => value),
    /** Glorot and Bengio 2010: the last axis goes out, the one before comes in, taps count on both sides. */
    glorot: (...shape: readonly number[]): Input => {
      const [inputs = 1, outputs = 1] = shape.slice(-2);
      const limit = Math.sqrt(6 / ((inputs + outputs) * sizeOf(shape.slice(0, -2))));
      return fill(shape, () => limit * (2 * uniform() - 1));
    },
    below: (limit: number, shape: readonly number[]): Input => ({
      shape,
      data: Int32Array.from({ length: sizeOf(shape) }, () => Math.floor(limit * uniform())),
    }),
  };
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
