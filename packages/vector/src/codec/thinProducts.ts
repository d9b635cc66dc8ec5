/**
 * A matrix times thin ones, which low-rank codecs are made of: through SIMD kernels, a panel of rows at a time, where the thin
 * matrix fits their memory. The plain loops define the bits: f32, in a fixed order.
 */
import { blockElements } from "../block.ts";
import { addressIn, codesAt, type Kernels, owedAt, valuesAt } from "../kernels/kernels.ts";

export interface Extents {
  readonly rows: number;
  readonly columns: number;
  readonly rank: number;
}

/** Products of matrices of these extents, all of them row by row. */
export interface ThinProducts {
  /** Whether the kernels work on a matrix where it lies; for odd numbers of rows but for the last. */
  reaches(matrix: Float32Array): boolean;
  /**
   * left (rows × rank) = matrix · right (columns × rank)
   *
   * @param prepare is called before so many rows are looked at
   */
  project(matrix: Float32Array, right: Float32Array, left: Float32Array, prepare?: RowsWork): void;
  /** right = matrixᵀ · left */
  gather(matrix: Float32Array, left: Float32Array, right: Float32Array): void;
  /** matrix = left · rightᵀ, or that taken off the matrix. */
  expand(left: Float32Array, right: Float32Array, into: Expansion): void;
}

export type RowsWork = (first: number, count: number) => void;

export interface Expansion {
  readonly matrix: Float32Array;
  readonly takeOff: boolean;
}

/** Elements of the left factor that the kernels have room for at a time. */
const leftRoom = blockElements / 2;

export function thinProducts(extents: Extents, simd: Kernels | undefined): ThinProducts {
  const stride = roundUp(extents.columns);
  const rank = roundUp(extents.rank);
  const panelRows = Math.min(Math.floor(blockElements / stride), Math.floor(leftRoom / rank)) & ~1;
  const fits = stride * rank <= blockElements && panelRows >= 2;
  return simd !== undefined && fits ? bySimd(extents, simd, { stride, rank, panelRows }) : plain(extents);
}

const roundUp = (count: number): number => Math.ceil(count / 4) * 4;

interface Panel {
  readonly stride: number;
  readonly rank: number;
  /** An even number. */
  readonly panelRows: number;
}

function bySimd({ rows, columns, rank }: Extents, simd: Kernels, panel: Panel): ThinProducts {
  const { stride, panelRows } = panel;
  const leftArea = new Float32Array(simd.bytes.buffer, codesAt, leftRoom);
  const { putRows, takeRows } = rowMovers(columns, stride, simd.values);
  const addressOf = (matrix: Float32Array) => (stride === columns ? addressIn(simd, matrix) : undefined);
  /** Runs the kernel on each panel: rows from `first` on, of which there are `count`, filled up to an even number. */
  const each = (kernel: ThinKernel, matrix: Float32Array, { reads, writes, before, after }: PanelWork): void => {
    const own = addressOf(matrix);
    for (let first = 0; first < rows; first += panelRows) {
      const count = Math.min(panelRows, rows - first);
      // What is behind an odd last row belongs to others.
      const inPlace = own !== undefined && count % 2 === 0;
      before?.(first, count);
      if (!inPlace && reads) putRows(matrix, first, count);
      const at = inPlace ? own + 4 * first * columns : valuesAt;
      simd[kernel](at, owedAt, codesAt, count + (count & 1), stride, panel.rank);
      if (!inPlace && writes) takeRows(matrix, first, count);
      after?.(first, count);
    }
  };
  const putLeft = (left: Float32Array) => (first: number, count: number) => {
    leftArea.fill(0, 0, (count + 1) * panel.rank);
    for (let i = 0; i < count; i++) {
      for (let k = 0; k < rank; k++) leftArea[i * panel.rank + k] = left[(first + i) * rank + k]!;
    }
  };
  const putRight = (right: Float32Array): void => {
    simd.owed.fill(0, 0, panel.rank * stride);
    for (let k = 0; k < rank; k++) {
      for (let j = 0; j < columns; j++) simd.owed[k * stride + j] = right[j * rank + k]!;
    }
  };
  return {
    reaches: (matrix) => addressOf(matrix) !== undefined,
    project(matrix, right, left, prepare) {
      putRight(right);
      each("project", matrix, {
        reads: true,
        ...(prepare && { before: prepare }),
        after(first, count) {
          for (let i = 0; i < count; i++) {
            for (let k = 0; k < rank; k++) left[(first + i) * rank + k] = leftArea[i * panel.rank + k]!;
          }
        },
      });
    },
    gather(matrix, left, right) {
      simd.owed.fill(0, 0, panel.rank * stride);
      each("gather", matrix, { reads: true, before: putLeft(left) });
      for (let k = 0; k < rank; k++) {
        for (let j = 0; j < columns; j++) right[j * rank + k] = simd.owed[k * stride + j]!;
      }
    },
    expand(left, right, { matrix, takeOff }) {
      putRight(right);
      each(takeOff ? "takeOff" : "expand", matrix, { reads: takeOff, writes: true, before: putLeft(left) });
    },
  };
}

type ThinKernel = "project" | "gather" | "expand" | "takeOff";

interface PanelWork {
  /** Whether the kernel looks at the matrix, and whether it changes it. */
  readonly reads: boolean;
  readonly writes?: boolean;
  readonly before?: RowsWork;
  readonly after?: RowsWork;
}

/** Rows of a matrix to the kernels, filled up to their stride and to an even number, and back. */
function rowMovers(columns: number, stride: number, room: Float32Array) {
  const putRows = (matrix: Float32Array, first: number, count: number): void => {
    if (stride === columns) room.set(matrix.subarray(first * columns, (first + count) * columns));
    else {
      room.fill(0, 0, count * stride);
      for (let i = 0; i < count; i++) {
        room.set(matrix.subarray((first + i) * columns, (first + i + 1) * columns), i * stride);
      }
    }
    if (count & 1) room.fill(0, count * stride, (count + 1) * stride);
  };
  const takeRows = (matrix: Float32Array, first: number, count: number): void => {
    if (stride === columns) matrix.set(room.subarray(0, count * columns), first * columns);
    else {
      for (let i = 0; i < count; i++) {
        matrix.set(room.subarray(i * stride, i * stride + columns), (first + i) * columns);
      }
    }
  };
  return { putRows, takeRows };
}

function plain({ rows, columns, rank }: Extents): ThinProducts {
  return {
    reaches: () => false,
    project(matrix, right, left, prepare) {
      prepare?.(0, rows);
      const sums = new Float32Array(4);
      for (let i = 0; i < rows; i++) {
        for (let k = 0; k < rank; k++) {
          sums.fill(0);
          for (let j = 0; j < columns; j++) {
            sums[j & 3]! += Math.fround(matrix[i * columns + j]! * right[j * rank + k]!);
          }
          left[i * rank + k] = Math.fround(sums[0]! + sums[2]!) + Math.fround(sums[1]! + sums[3]!);
        }
      }
    },
    gather(matrix, left, right) {
      right.fill(0);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          for (let k = 0; k < rank; k++) {
            right[j * rank + k]! += Math.fround(matrix[i * columns + j]! * left[i * rank + k]!);
          }
        }
      }
    },
    expand(left, right, { matrix, takeOff }) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          let sum = 0;
          for (let k = 0; k < rank; k++)
            sum = Math.fround(sum + Math.fround(left[i * rank + k]! * right[j * rank + k]!));
          const at = i * columns + j;
          matrix[at] = takeOff ? matrix[at]! - sum : sum;
        }
      }
    },
  };
}
