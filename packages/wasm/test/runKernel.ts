/** Runs one kernel alone: lays its operands out in a memory of its own and calls its tiles, in one piece or several. */
import type { DType, Shape, TensorData } from "@weft/tensor";
import { arrayOf } from "@weft/tensor";
import type { KernelSource } from "../src/kernel.ts";

export interface ResultType {
  readonly shape: Shape;
  readonly dtype: DType;
}

const align = (bytes: number) => Math.ceil(bytes / 64) * 64 + 64;

/** The kernel's result; `splits` are the tile numbers at which the work is cut into separate calls. */
export function runKernel(
  source: KernelSource,
  operands: readonly TensorData[],
  result: ResultType,
  splits: readonly number[] = [],
): TensorData {
  const size = result.shape.reduce((product, n) => product * n, 1);
  const output = new arrayOf[result.dtype](size);
  const arrays = [...operands, output];
  const pointers: number[] = [];
  let end = 64;
  for (const array of arrays) {
    pointers.push(end);
    end += align(array.byteLength);
  }
  const memory = new WebAssembly.Memory({ initial: Math.ceil((end + align(source.scratchBytes)) / 65536) });
  new Float32Array(memory.buffer).fill(NaN); // what was there before must not matter
  operands.forEach((operand, i) => {
    const view = new Uint8Array(memory.buffer, pointers[i]);
    view.set(new Uint8Array(operand.buffer, operand.byteOffset, operand.byteLength));
  });
  const instance = new WebAssembly.Instance(new WebAssembly.Module(source.build()), { env: { memory } });
  const run = instance.exports["run"] as (...args: number[]) => void;
  const cuts = [0, ...splits.map((cut) => Math.min(cut, source.tiles)).sort((a, b) => a - b), source.tiles];
  for (let i = 1; i < cuts.length; i++) run(cuts[i - 1]!, cuts[i]!, end, ...pointers);
  const outputAt = pointers.at(-1)!;
  return new arrayOf[result.dtype](memory.buffer.slice(outputAt, outputAt + output.byteLength));
}
