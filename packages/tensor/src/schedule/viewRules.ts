/** Simplifications of primitives that move elements: views of views become one, views that change nothing go. */
import type { Shape } from "../primitive.ts";
import type { Rules } from "./rewriter.ts";

const same = (x: Shape, y: Shape) => x.length === y.length && x.every((size, axis) => size === y[axis]);
const withoutOnes = (shape: Shape) => shape.filter((size) => size !== 1);

export const viewRules: Rules = {
  reshape: [
    (rewriter, { inputs, params }) => (same(rewriter.shapeOf(inputs[0]!), params.shape) ? inputs[0] : undefined),
    (rewriter, { inputs, params }) => {
      const below = rewriter.maker(inputs[0]!, "reshape")?.inputs[0];
      return below === undefined ? undefined : rewriter.emit("reshape", [below], params);
    },
    (rewriter, { inputs, outputs }) => {
      const value = rewriter.fillOf(inputs[0]!);
      return value === undefined ? undefined : rewriter.constant(value, outputs[0]!);
    },
    // broadcast then reshape, where only axes of size 1 come or go, is a broadcast.
    (rewriter, { inputs, params }) => {
      const below = rewriter.maker(inputs[0]!, "broadcast");
      if (!below || !same(withoutOnes(below.params.shape), withoutOnes(params.shape))) return undefined;
      const target = (shape: Shape) => shape.flatMap((size, axis) => (size === 1 ? [] : [axis]));
      const moved = new Map(target(below.params.shape).map((axis, i) => [axis, target(params.shape)[i]!]));
      const operandShape = rewriter.shapeOf(below.inputs[0]!);
      const kept = below.params.axes.filter((axis) => moved.has(axis));
      const shape = below.params.axes.flatMap((axis, i) => (moved.has(axis) ? [operandShape[i]!] : []));
      const operand = rewriter.emit("reshape", [below.inputs[0]!], { shape });
      return rewriter.emit("broadcast", [operand], { shape: params.shape, axes: kept.map((axis) => moved.get(axis)!) });
    },
  ],
  transpose: [
    (_, { inputs, params }) => (params.permutation.every((axis, i) => axis === i) ? inputs[0] : undefined),
    (rewriter, { inputs, params }) => {
      const below = rewriter.maker(inputs[0]!, "transpose");
      if (!below) return undefined;
      const permutation = params.permutation.map((axis) => below.params.permutation[axis]!);
      return rewriter.emit("transpose", [below.inputs[0]!], { permutation });
    },
    (rewriter, { inputs, outputs }) => {
      const value = rewriter.fillOf(inputs[0]!);
      return value === undefined ? undefined : rewriter.constant(value, outputs[0]!);
    },
    // Moving axes of size 1 about leaves every element where it is.
    (rewriter, { inputs, params, outputs }) => {
      const shape = rewriter.shapeOf(inputs[0]!);
      const long = params.permutation.filter((axis) => shape[axis] !== 1);
      const inOrder = long.every((axis, i) => i === 0 || axis > long[i - 1]!);
      return inOrder ? rewriter.emit("reshape", inputs, { shape: outputs[0]!.shape }) : undefined;
    },
  ],
  broadcast: [
    (rewriter, { inputs, params, outputs }) => {
      const value = rewriter.fillOf(inputs[0]!);
      if (value !== undefined) return rewriter.constant(value, outputs[0]!);
      const size = (shape: Shape) => shape.reduce((product, n) => product * n, 1);
      const grows = size(rewriter.shapeOf(inputs[0]!)) !== size(params.shape);
      return grows ? undefined : rewriter.emit("reshape", inputs, { shape: params.shape });
    },
    (rewriter, { inputs, params }) => {
      const below = rewriter.maker(inputs[0]!, "broadcast");
      if (!below) return undefined;
      const axes = below.params.axes.map((axis) => params.axes[axis]!);
      return rewriter.emit("broadcast", [below.inputs[0]!], { shape: params.shape, axes });
    },
  ],
  slice: [
    (rewriter, { inputs, outputs }) => {
      const value = rewriter.fillOf(inputs[0]!);
      if (value !== undefined) return rewriter.constant(value, outputs[0]!);
      return same(rewriter.shapeOf(inputs[0]!), outputs[0]!.shape) ? inputs[0] : undefined;
    },
    (rewriter, { inputs, params }) => {
      const below = rewriter.maker(inputs[0]!, "slice");
      if (!below) return undefined;
      const { start, step } = below.params;
      const at = (axis: number, index: number) => start[axis]! + index * step[axis]!;
      return rewriter.emit("slice", [below.inputs[0]!], {
        start: params.start.map((index, axis) => at(axis, index)),
        stop: params.stop.map((index, axis) => at(axis, index - 1) + 1),
        step: params.step.map((every, axis) => every * step[axis]!),
      });
    },
  ],
  reverse: [
    (rewriter, { inputs, params, outputs }) => {
      const value = rewriter.fillOf(inputs[0]!);
      if (value !== undefined) return rewriter.constant(value, outputs[0]!);
      return params.axes.every((axis) => outputs[0]!.shape[axis] === 1) ? inputs[0] : undefined;
    },
    (rewriter, { inputs, params }) => {
      const below = rewriter.maker(inputs[0]!, "reverse");
      if (!below) return undefined;
      const once = (axes: readonly number[], others: readonly number[]) =>
        axes.filter((axis) => !others.includes(axis));
      const axes = [...once(params.axes, below.params.axes), ...once(below.params.axes, params.axes)].sort(
        (a, b) => a - b,
      );
      return rewriter.emit("reverse", [below.inputs[0]!], { axes });
    },
  ],
  concat: [
    (rewriter, { inputs, params }) => {
      const full = inputs.filter((input) => !rewriter.shapeOf(input).includes(0));
      if (full.length === 1) return full[0];
      return full.length === inputs.length ? undefined : rewriter.emit("concat", full, params);
    },
  ],
  pad: [
    (rewriter, { inputs, params, outputs }) => {
      const [operand, fill] = inputs as [number, number];
      if (rewriter.shapeOf(operand).includes(0)) {
        return rewriter.emit("broadcast", [fill], { shape: outputs[0]!.shape, axes: [] });
      }
      const none = [params.low, params.high].every((widths) => widths.every((width) => width === 0));
      return none && same(rewriter.shapeOf(operand), outputs[0]!.shape) ? operand : undefined;
    },
  ],
};
