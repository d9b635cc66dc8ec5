/** Random programs for property tests: a list of numbers becomes a chain of operations on the values made so far. */
import type { Program, Shape, Tensor, TensorData, TensorType } from "@weft/tensor";
import { arrayOf, bind, concat, flip, pad, sizeOf, take, trace, where } from "@weft/tensor";
import fc from "fast-check";

/** One operation: which, on which values, and a number that settles its parameters. */
export type Choice = readonly [operation: number, left: number, right: number, detail: number];

export interface RandomProgram {
  readonly program: Program;
  readonly inputs: readonly TensorData[];
}

const inputShapes: readonly Shape[] = [[3, 4], [4], [2, 3, 4], [], [5, 6], [1, 4], [12]];

const randomProgramsOf = (dtype: "f32" | "f16"): fc.Arbitrary<RandomProgram> =>
  fc
    .array(fc.tuple(fc.nat(99), fc.nat(99), fc.nat(99), fc.nat(9999)), { minLength: 1, maxLength: 24 })
    .map((choices) => {
      const types = inputShapes.map((shape): TensorType => ({ shape, dtype }));
      const program = trace((...inputs) => grow(inputs, choices), types);
      const inputs = inputShapes.map((shape, i) =>
        arrayOf[dtype].from(Array.from({ length: sizeOf(shape) }, (_, j) => Math.sin(1 + 3.7 * i + 1.3 * j))),
      );
      return { program, inputs };
    });

export const randomPrograms = randomProgramsOf("f32");
export const randomHalfPrograms = randomProgramsOf("f16");

/** The values of the last few operations; values stay near 1 in size, so that rounding does not grow. */
function grow(inputs: readonly Tensor[], choices: readonly Choice[]): Tensor[] {
  const values = [...inputs];
  for (const choice of choices) {
    const made = operate(values, choice, inputs);
    if (made.size <= 2000 && made.rank <= 5) values.push(made);
  }
  return values.slice(-3);
}

function operate(
  values: readonly Tensor[],
  [operation, left, right, detail]: Choice,
  inputs: readonly Tensor[],
): Tensor {
  // Later values are likelier: chains grow long.
  const x = values[values.length - 1 - (left % Math.min(values.length, 6))]!;
  const y = values[values.length - 1 - (right % values.length)]!;
  const axis = x.rank > 0 ? detail % x.rank : 0;
  const fits = x.shape.join() === y.shape.join() || y.rank === 0;
  const other = fits ? y : x.mul(0.5);
  const operations: readonly (() => Tensor)[] = [
    () => x.add(other).mul(0.5),
    () => x.sub(other).mul(0.5),
    () => x.mul(other),
    () => x.maximum(other),
    () => x.neg(),
    () => x.tanh(),
    () => x.abs().add(1).sqrt().sub(1),
    () => x.abs().neg().exp(),
    () => x.div(other.abs().add(1)),
    () => x.relu(),
    () => (x.rank > 0 ? x.add(counts(x, axis).mul(0.125)).tanh() : x),
    () => chooseBy(x, other, inputs[detail % inputs.length]!),
    () => (x.rank > 0 ? x.sum({ axis }).mul(1 / (x.shape[axis] ?? 1)) : x.neg()),
    () => (x.rank > 0 ? x.max({ axis, keepDims: true }) : x.abs()),
    () => x.mean(),
    () => (x.rank > 0 ? x.sub(x.mean({ axis, keepDims: true })) : x.sub(1)),
    () => x.transpose(),
    () => x.reshape([x.size]),
    () => x.reshape(x.size % 6 === 0 ? [6, x.size / 6] : x.size % 4 === 0 ? [x.size / 4, 4] : [1, x.size]),
    () => x.broadcastTo([1 + (detail % 3), ...x.shape]),
    () => x.slice(x.shape.map((size, i) => (i === axis && size > 1 ? 1 : 0))),
    () =>
      x.slice(
        x.shape.map(() => 0),
        x.shape,
        x.shape.map((_, i) => (i === axis ? 2 : 1)),
      ),
    () => (x.rank > 0 ? flip(x, axis) : x),
    () =>
      x.rank > 0
        ? pad(
            x,
            x.shape.map((_, i) => (i === axis ? [1, detail % 3] : [0, 0])),
          )
        : x,
    () => (x.rank > 0 ? concat([x, fits && y.rank > 0 ? y : x.neg()], axis) : x),
    () => (x.rank === 2 ? x.matmul(x.transpose()).mul(1 / (x.shape[1] ?? 1)) : x.mul(0.5)),
    () => (x.rank > 0 ? x.cumsum({ axis }).mul(1 / (x.shape[axis] ?? 1)) : x),
    () => (x.rank > 0 ? take(x, [0, 7, 1], { axis }) : x),
  ];
  return operations[operation % operations.length]!();
}

const counts = ({ shape, dtype }: Tensor, axis: number) => bind("iota", [], { shape, dtype, axis });

/** A choice that depends on an input alone: rounding cannot turn it. */
function chooseBy(x: Tensor, y: Tensor, input: Tensor): Tensor {
  const condition = input.sum().greater(0.1);
  return where(condition, x, y.broadcastTo(x.shape));
}
