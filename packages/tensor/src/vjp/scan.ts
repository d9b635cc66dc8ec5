/**
 * Gradient of a loop: a loop in the other direction. It reads the carry that each step began with, repeats the step, and
 * carries the cotangents of the carry and the sums of those of the constants.
 */
import { apply } from "../apply.ts";
import { isFloat } from "../dtype.ts";
import { add, zeros } from "../elementary.ts";
import type { Tensor } from "../graph.ts";
import { bindLoop } from "../loop.ts";
import type { Program, ScanParams, TensorType } from "../program.ts";
import { valueTypes } from "../program.ts";
import { trace } from "../trace.ts";
import type { VjpRule } from "./rule.ts";

type Pullback = (
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | undefined)[],
  leaves: readonly Tensor[],
) => readonly (Tensor | undefined)[];

/** The rule needs to differentiate the body, so it is given the means. */
export const scanRule =
  (pullback: Pullback): VjpRule<"scan"> =>
  (dys, { inputs, params, output }) => {
    const { body, constants, carry } = params;
    const back = backwardBody(params, dys, pullback);
    const carryCotangents = positions(body.inputs, constants, constants + carry).map(
      (i) => dys[i - constants] ?? zeros(body.inputs[i] as TensorType),
    );
    const constantCotangents = positions(body.inputs, 0, constants).map((i) => zeros(body.inputs[i] as TensorType));
    const results = bindLoop(
      { ...params, body: back, carry: carryCotangents.length + constantCotangents.length, reverse: !params.reverse },
      [
        ...inputs.slice(0, constants),
        ...carryCotangents,
        ...constantCotangents,
        ...carryHistory(params, inputs, output),
        ...inputs.slice(constants + carry),
        ...dys.slice(carry).filter((dy) => dy !== undefined),
      ],
    );
    const cotangents: (Tensor | undefined)[] = inputs.map(() => undefined);
    const owners = [
      ...positions(body.inputs, constants, constants + carry),
      ...positions(body.inputs, 0, constants),
      ...positions(body.inputs, constants + carry, body.inputs.length),
    ];
    owners.forEach((input, i) => {
      cotangents[input] = results[i];
    });
    return cotangents;
  };

/** Positions from..to-1 that hold floats, the only ones with a cotangent. */
function positions(types: readonly TensorType[], from: number, to: number): number[] {
  return [...types.keys()].filter((i) => i >= from && i < to && isFloat((types[i] as TensorType).dtype));
}

/** (constants, carry cotangents, constant cotangents, carry, x slices, y cotangents) → (both cotangents, x cotangents). */
function backwardBody(params: ScanParams, dys: readonly (Tensor | undefined)[], pullback: Pullback): Program {
  const { body, constants, carry } = params;
  const types = valueTypes(body);
  const outputs = body.outputs.map((value) => types[value] as TensorType);
  const typesAt = (indices: readonly number[]) => indices.map((i) => body.inputs[i] as TensorType);
  const floatCarry = positions(body.inputs, constants, constants + carry);
  const floatConstants = positions(body.inputs, 0, constants);
  const floatSlices = positions(body.inputs, constants + carry, body.inputs.length);
  const arriving = [...outputs.keys()].filter((i) => i >= carry && dys[i] !== undefined);

  const step = (...args: Tensor[]): Tensor[] => {
    let next = 0;
    const take = (count: number) => args.slice(next, (next += count));
    const constantValues = take(constants);
    const carryCotangents = take(floatCarry.length);
    const sums = take(floatConstants.length);
    const leaves = [...constantValues, ...take(body.inputs.length - constants)];
    const cotangents: (Tensor | undefined)[] = outputs.map(() => undefined);
    floatCarry.forEach((input, i) => (cotangents[input - constants] = carryCotangents[i]));
    take(arriving.length).forEach((dy, i) => (cotangents[arriving[i] ?? 0] = dy));
    const flown = pullback(apply(body, leaves), cotangents, leaves);
    const orZeros = (input: number) => flown[input] ?? zeros(leaves[input] as Tensor);
    return [
      ...floatCarry.map(orZeros),
      ...floatConstants.map((input, i) => {
        const flow = flown[input];
        return flow ? add(sums[i] as Tensor, flow) : (sums[i] as Tensor);
      }),
      ...floatSlices.map(orZeros),
    ];
  };
  return trace(step, [
    ...body.inputs.slice(0, constants),
    ...typesAt(floatCarry),
    ...typesAt(floatConstants),
    ...body.inputs.slice(constants),
    ...arriving.map((i) => outputs[i] as TensorType),
  ]);
}

/** The carry before each step, stacked: among the loop's results if `bindLoop` made it, else from a run that keeps it. */
function carryHistory(params: ScanParams, inputs: readonly Tensor[], output: readonly Tensor[]): Tensor[] {
  const { body, constants, carry } = params;
  const find = (results: readonly number[]) =>
    [...Array(carry).keys()].map((i) => results.indexOf(constants + i, carry));
  const own = find(body.outputs);
  if (!own.includes(-1)) return own.map((i) => output[i] as Tensor);
  return bindLoop(params, inputs).slice(-carry);
}
