/** `gather` and `scatterAdd`: rows copied from, or added to, the places that indices name; indices are clamped. */
import type { Expression, FunctionBuilder, Local } from "@weft/emitter";
import { f32, f32x4, i32, i32x4, minimum, ModuleBuilder, select, v128 } from "@weft/emitter";
import type { IndexParams, TensorType } from "@weft/tensor";
import { bytesPerElement, sizeOf } from "@weft/tensor";
import { defineRun } from "../defineRun.ts";
import type { KernelFactory } from "../kernel.ts";

/** Operand [batch, outer, length, inner], indices [batch, picks], rows of `inner` elements. */
interface Indexed {
  readonly batch: number;
  readonly outer: number;
  readonly length: number;
  readonly inner: number;
  readonly picks: number;
  readonly elementBytes: number;
}

function indexedOf(operand: TensorType, indices: TensorType, { axis, batchDims }: IndexParams): Indexed {
  return {
    batch: sizeOf(operand.shape.slice(0, batchDims)),
    outer: sizeOf(operand.shape.slice(batchDims, axis)),
    length: operand.shape[axis] ?? 1,
    inner: sizeOf(operand.shape.slice(axis + 1)),
    picks: sizeOf(indices.shape.slice(batchDims)),
    elementBytes: bytesPerElement[operand.dtype],
  };
}

const rowsPerTile = 64;

export const gatherKernel: KernelFactory<"gather"> = ([operand, indices], params) => {
  const shape = indexedOf(operand!, indices!, params);
  const rows = shape.batch * shape.outer * shape.picks;
  return {
    key: `gather:${Object.values(shape).join()}`,
    build: () => buildGather(shape, rows),
    tiles: shape.inner === 0 ? 0 : Math.ceil(rows / rowsPerTile),
    scratchBytes: 0,
  };
};

function buildGather(shape: Indexed, rows: number): ModuleBuilder {
  const module = new ModuleBuilder();
  const rowBytes = shape.inner * shape.elementBytes;
  return defineRun(module, 3, (f, [from, to, , operand, indices, result]) => {
    const stop = i32.mul(to, rowsPerTile);
    const last = f.i32(minimum(stop, rows));
    f.for({ from: i32.mul(from, rowsPerTile), to: last }, (row) => {
      const plane = f.i32(i32.divU(row, shape.picks));
      const pick = i32.remU(row, shape.picks);
      const batch = i32.divU(plane, shape.outer);
      const index = clampedIndex(f, shape, i32.add(indices, i32.mul(i32.add(i32.mul(batch, shape.picks), pick), 4)));
      const source = f.i32(i32.add(operand, i32.mul(i32.add(i32.mul(plane, shape.length), index), rowBytes)));
      copyRow(f, { from: source, to: f.i32(i32.add(result, i32.mul(row, rowBytes))), bytes: rowBytes });
    });
  });
}

function clampedIndex(f: FunctionBuilder, { length }: Indexed, address: Expression<"i32">): Local<"i32"> {
  const index = f.i32(i32.load(address));
  f.set(index, select(i32.ltS(index, 0), i32.const(0), index));
  f.set(index, select(i32.geS(index, length), i32.const(length - 1), index));
  return index;
}

interface RowCopy {
  readonly from: Local<"i32">;
  readonly to: Local<"i32">;
  readonly bytes: number;
}

/** Copies whole vectors, then exactly the bytes that are left. */
function copyRow(f: FunctionBuilder, { from, to, bytes }: RowCopy): void {
  const vectors = Math.floor(bytes / 16);
  if (vectors > 4) {
    f.for({ from: 0, to: vectors }, () => {
      f.storeV128(to, v128.load(from));
      f.increment(from, 16);
      f.increment(to, 16);
    });
  } else {
    for (let i = 0; i < vectors; i++) f.storeV128(to, v128.load(from, 16 * i), 16 * i);
  }
  const done = vectors > 4 ? 0 : 16 * vectors;
  const left = bytes - 16 * vectors;
  let at = 0;
  for (; at + 4 <= left; at += 4) f.storeI32(to, i32.load(from, done + at), done + at);
  for (; at < left; at++) f.storeI8(to, i32.load8U(from, done + at), done + at);
}

/** One tile per plane: repeated indices add up in the order in which they come. */
export const scatterAddKernel: KernelFactory<"scatterAdd"> = ([operand, indices], params) => {
  const shape = indexedOf(operand!, indices!, params);
  const isFloat = operand!.dtype === "f32";
  return {
    key: `scatterAdd:${Object.values(shape).join()}:${isFloat}`,
    build: () => buildScatterAdd(shape, isFloat),
    tiles: shape.batch * shape.outer,
    scratchBytes: 0,
  };
};

function buildScatterAdd(shape: Indexed, isFloat: boolean): ModuleBuilder {
  const module = new ModuleBuilder();
  const rowBytes = shape.inner * shape.elementBytes;
  const planeBytes = shape.length * rowBytes;
  return defineRun(module, 4, (f, [from, to, , operand, indices, updates, result]) => {
    f.for({ from, to }, (plane) => {
      const target = f.i32(i32.add(result, i32.mul(plane, planeBytes)));
      f.memoryCopy(target, i32.add(operand, i32.mul(plane, planeBytes)), planeBytes);
      const batch = i32.divU(plane, shape.outer);
      const picked = f.i32(i32.add(indices, i32.mul(batch, shape.picks * 4)));
      const source = f.i32(i32.add(updates, i32.mul(plane, shape.picks * rowBytes)));
      f.for({ from: 0, to: shape.picks }, () => {
        const index = clampedIndex(f, shape, picked);
        addRow(f, { from: source, to: f.i32(i32.add(target, i32.mul(index, rowBytes))), bytes: rowBytes }, isFloat);
        f.increment(picked, 4);
      });
    });
  });
}

/** Adds a row into another and leaves `from` after it. */
function addRow(f: FunctionBuilder, { from, to, bytes }: RowCopy, isFloat: boolean): void {
  const vectors = Math.floor(bytes / 16);
  f.for({ from: 0, to: vectors }, () => {
    f.storeV128(to, (isFloat ? f32x4 : i32x4).add(v128.load(to), v128.load(from)));
    f.increment(from, 16);
    f.increment(to, 16);
  });
  const left = bytes - 16 * vectors;
  for (let at = 0; at < left; at += 4) {
    if (isFloat) f.storeF32(to, f32.add(f32.load(to, at), f32.load(from, at)), at);
    else f.storeI32(to, i32.add(i32.load(to, at), i32.load(from, at)), at);
  }
  f.increment(from, left);
}
