/** Runs graphs on given values in the reference backend. */
import type { DType, Primitive, Tensor, TensorData, TensorType } from "@weft/tensor";
import { adopt, allocate, bindAll, isFloat, sizeOf, trace } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import type { Operand, Sample } from "./transformSamples.ts";

const reference = createReferenceBackend();

/** A function of arrays, from a function of tensors: traced and compiled once. */
export function executableOf(fn: (...inputs: Tensor[]) => readonly Tensor[], types: readonly TensorType[]) {
  const executable = reference.compile(trace(fn, types));
  return (inputs: readonly TensorData[]): number[][] => {
    const outputs = executable.run(inputs);
    if (outputs instanceof Promise) throw new Error("the reference backend is synchronous");
    return outputs.map((output) => {
      if (!ArrayBuffer.isView(output)) throw new Error("no output was asked to stay");
      return [...output];
    });
  };
}

/** Elements for an operand. */
export function drawn({ shape, dtype, draw }: Operand, random: () => number): TensorData {
  const data = allocate(dtype, sizeOf(shape));
  for (let i = 0; i < data.length; i++) data[i] = draw(random);
  return data;
}

export const tensorOf = (data: TensorData, { shape, dtype }: TensorType): Tensor => adopt(data, { shape, dtype });

export function numbers(shape: readonly number[], random: () => number, dtype: DType = "f64"): TensorData {
  return drawn({ shape, dtype, draw: (next) => 2 * next() - 1 }, random);
}

export const applySample = (primitive: Primitive, sample: Sample<Primitive>, inputs: readonly Tensor[]): Tensor[] =>
  bindAll(primitive, inputs, sample.params);

/** Σ weight · result over the float results, with weights that differ from element to element: a scalar to differentiate. */
export function weighted(results: readonly Tensor[], random: () => number): Tensor {
  const terms = results
    .filter(({ dtype }) => isFloat(dtype))
    .map((result) => result.mul(tensorOf(numbers(result.shape, random), { shape: result.shape, dtype: "f64" })).sum());
  return terms.reduce((sum, term) => sum.add(term), tensorOf(new Float64Array(1), { shape: [], dtype: "f64" }));
}
