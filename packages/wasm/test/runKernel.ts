/** Runs one kernel alone: lays its operands out in a memory of its own and calls its tiles, in one piece or several. */
import type { DType, Shape, TensorData } from "@weft/tensor";
import { arrayOf } from "@weft/tensor";
import type { KernelSource } from "../src/kernel.ts";

export interface ResultType {
  readonly shape: Shape;
  readonly dtype: DType;
}

const align = (bytes: number) => Math.ceil(bytes / 64) * 64 + 64;

/**
 * The kernel's result; `splits` are the tile numbers at which the work is cut into separate calls. Fails if the kernel
 * writes elsewhere than into its result (and one vector past it) and its scratch space.
 */
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
  const before = new Uint8Array(memory.buffer.slice(0));
  const instance = new WebAssembly.Instance(new WebAssembly.Module(source.build().toBytes()), { env: { memory } });
  const run = instance.exports["run"] as (...args: number[]) => void;
  const cuts = [0, ...splits.map((cut) => Math.min(cut, source.tiles)).sort((a, b) => a - b), source.tiles];
  for (let i = 1; i < cuts.length; i++) run(cuts[i - 1]!, cuts[i]!, end, ...pointers);
  const outputAt = pointers.at(-1)!;
  const outputEnd = outputAt + output.byteLength;
  const after = new Uint8Array(memory.buffer);
  for (const [from, to] of [
    [0, outputAt],
    [outputEnd + 16, end],
    [end + source.scratchBytes, after.length],
  ] as const) {
    if (Buffer.compare(before.subarray(from, to), after.subarray(from, to)) !== 0) {
      throw new Error(`${source.key} wrote outside its result and scratch space, between ${from} and ${to}`);
    }
  }
  return new arrayOf[result.dtype](memory.buffer.slice(outputAt, outputEnd));
}
