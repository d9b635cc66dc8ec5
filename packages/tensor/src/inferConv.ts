/** Shape rules of contractions, convolutions and windows. */
import { isFloat } from "./dtype.ts";
import { DTypeError, ShapeError } from "./errors.ts";
import type { InferRule } from "./inferRule.ts";
import { assertAxis, assertEntries, assertSame, only } from "./inferRule.ts";
import type { ConvParams, DotParams, PadPair, Shape, WindowParams } from "./primitive.ts";
import type { Primitive } from "./program.ts";
import type { TensorType } from "./program.ts";
import { typeText } from "./program.ts";

type Contracting =
  | "dot"
  | "conv"
  | "convInputGradient"
  | "convKernelGradient"
  | "windowMax"
  | "windowSum"
  | "windowScatter"
  | "windowGather";

export const convRules: { readonly [P in Extract<Primitive, Contracting>]: InferRule<P> } = {
  dot: (inputs, params, name) => {
    const [lhs, rhs] = only(name, inputs, 2);
    if (lhs.dtype !== rhs.dtype || lhs.dtype === "bool") {
      throw new DTypeError(`dot: expected two tensors of one numeric dtype, got ${typeText(lhs)} and ${typeText(rhs)}`);
    }
    assertDistinct([...params.lhsBatch, ...params.lhsContract]);
    assertDistinct([...params.rhsBatch, ...params.rhsContract]);
    const pairs = [pairsOf(params.lhsBatch, params.rhsBatch), pairsOf(params.lhsContract, params.rhsContract)].flat();
    for (const [l, r] of pairs) {
      assertAxis(name, lhs, l);
      assertAxis(name, rhs, r);
      if (lhs.shape[l] !== rhs.shape[r]) {
        throw new ShapeError(
          `dot: inner sizes differ, axis ${l} of [${lhs.shape.join(", ")}] and axis ${r} of [${rhs.shape.join(", ")}]`,
        );
      }
    }
    const free = (x: TensorType, used: readonly number[]) => x.shape.filter((_, axis) => !used.includes(axis));
    return [
      {
        shape: [
          ...params.lhsBatch.map((axis) => lhs.shape[axis] ?? 0),
          ...free(lhs, [...params.lhsBatch, ...params.lhsContract]),
          ...free(rhs, [...params.rhsBatch, ...params.rhsContract]),
        ],
        dtype: lhs.dtype,
      },
    ];
  },
  conv: (inputs, params, name) => {
    const [x, kernel] = only(name, inputs, 2);
    assertConv(name, params, x, kernel);
    const [inputs_ = 0, outputs = 0] = kernel.shape.slice(-2);
    if (x.shape.at(-1) !== inputs_ * params.groups || outputs % params.groups !== 0) {
      throw new ShapeError(
        `conv: ${typeText(x)} has ${x.shape.at(-1)} channels, kernel ${typeText(kernel)} in ${params.groups} groups takes ${inputs_ * params.groups}`,
      );
    }
    const spatial = convSpatial(name, x.shape.slice(1, -1), kernel.shape.slice(0, -2), params);
    return [{ shape: [x.shape[0] ?? 0, ...spatial, outputs], dtype: x.dtype }];
  },
  convInputGradient: (inputs, params, name) => {
    const [dy, kernel] = only(name, inputs, 2);
    assertConv(name, params, dy, kernel);
    assertEntries(`${name} inputSpatial`, params.inputSpatial, params.strides.length);
    const spatial = convSpatial(name, params.inputSpatial, kernel.shape.slice(0, -2), params);
    const [channels = 0, outputs = 0] = kernel.shape.slice(-2);
    if (outputs % params.groups !== 0) {
      throw new ShapeError(`${name}: ${outputs} output channels do not divide into ${params.groups} groups`);
    }
    assertShape(name, dy, [dy.shape[0] ?? 0, ...spatial, outputs]);
    return [{ shape: [dy.shape[0] ?? 0, ...params.inputSpatial, channels * params.groups], dtype: dy.dtype }];
  },
  convKernelGradient: (inputs, params, name) => {
    const [x, dy] = only(name, inputs, 2);
    assertConv(name, params, x, dy);
    assertEntries(`${name} kernelSpatial`, params.kernelSpatial, params.strides.length, 1);
    const spatial = convSpatial(name, x.shape.slice(1, -1), params.kernelSpatial, params);
    const [channels = 0, outputs = 0] = [x.shape.at(-1), dy.shape.at(-1)];
    assertShape(name, dy, [x.shape[0] ?? 0, ...spatial, outputs]);
    if (channels % params.groups !== 0 || outputs % params.groups !== 0) {
      throw new ShapeError(`${name}: ${channels} and ${outputs} channels do not divide into ${params.groups} groups`);
    }
    return [{ shape: [...params.kernelSpatial, channels / params.groups, outputs], dtype: x.dtype }];
  },
  windowMax: (inputs, params, name) => {
    const [x] = only(name, inputs, 1);
    return [{ shape: windowedShape(name, x, params), dtype: x.dtype }];
  },
  windowSum: (inputs, params, name) => {
    const [x] = only(name, inputs, 1);
    return [{ shape: windowedShape(name, x, params), dtype: x.dtype }];
  },
  windowScatter: (inputs, params, name) => {
    const [x, dy] = only(name, inputs, 2);
    assertSame(name, { shape: windowedShape(name, x, params), dtype: x.dtype }, dy);
    return [{ shape: x.shape, dtype: x.dtype }];
  },
  windowGather: (inputs, params, name) => {
    const [x, t] = only(name, inputs, 2);
    assertSame(name, x, t);
    return [{ shape: windowedShape(name, x, params), dtype: x.dtype }];
  },
};

const pairsOf = (left: DotParams["lhsBatch"], right: DotParams["rhsBatch"]): [number, number][] => {
  if (left.length !== right.length) {
    throw new ShapeError(`dot: axes [${left.join()}] and [${right.join()}] must pair up`);
  }
  return left.map((axis, i) => [axis, right[i] ?? 0]);
};

function assertDistinct(axes: readonly number[]): void {
  if (new Set(axes).size === axes.length) return;
  throw new ShapeError(`dot: an axis is named twice in [${axes.join()}]; batch and contracted axes must be distinct`);
}

function assertConv(name: string, params: ConvParams, x: TensorType, y: TensorType): void {
  const rank = params.strides.length;
  if (x.dtype !== y.dtype || !isFloat(x.dtype)) {
    throw new DTypeError(`${name}: expected two float tensors of one dtype, got ${typeText(x)} and ${typeText(y)}`);
  }
  if (x.shape.length !== rank + 2 || y.shape.length !== rank + 2) {
    throw new ShapeError(
      `${name}: ${rank} spatial axes want tensors of rank ${rank + 2} (channels last), got ${typeText(x)} and ${typeText(y)}`,
    );
  }
  assertEntries(`${name} strides`, params.strides, rank, 1);
  assertEntries(`${name} dilation`, params.dilation, rank, 1);
  assertEntries(`${name} groups`, [params.groups], 1, 1);
  assertEntries(`${name} padding`, params.padding.flat(), 2 * rank);
}

function assertShape(name: string, x: TensorType, shape: Shape): void {
  if (x.shape.join() !== shape.join()) {
    throw new ShapeError(`${name}: expected ${typeText({ shape, dtype: x.dtype })}, got ${typeText(x)}`);
  }
}

/** Output sizes of a convolution along its spatial axes. */
function convSpatial(name: string, x: Shape, kernel: Shape, params: ConvParams): number[] {
  assertEntries(`${name} kernel`, kernel, kernel.length, 1);
  return x.map((size, i) =>
    windowCount(name, size, {
      extent: ((kernel[i] ?? 1) - 1) * (params.dilation[i] ?? 1) + 1,
      stride: params.strides[i] ?? 1,
      padding: params.padding[i] ?? [0, 0],
    }),
  );
}

function windowedShape(name: string, x: TensorType, params: WindowParams): number[] {
  const rank = x.shape.length;
  assertEntries(`${name} window`, params.window, rank, 1);
  assertEntries(`${name} strides`, params.strides, rank, 1);
  assertEntries(`${name} padding`, params.padding.flat(), 2 * rank);
  if (x.dtype === "bool") throw new DTypeError(`${name}: bool operand; cast it to f32 first`);
  return x.shape.map((size, i) =>
    windowCount(name, size, {
      extent: params.window[i] ?? 1,
      stride: params.strides[i] ?? 1,
      padding: params.padding[i] ?? [0, 0],
    }),
  );
}

function windowCount(name: string, size: number, window: { extent: number; stride: number; padding: PadPair }): number {
  const padded = size + window.padding[0] + window.padding[1];
  if (padded === 0 && window.extent === 1) return 0;
  if (window.extent > padded) {
    throw new ShapeError(`${name}: a window of ${window.extent} does not fit an axis of ${padded} (padding included)`);
  }
  return Math.floor((padded - window.extent) / window.stride) + 1;
}
