/** A primitive done by several kernels one after the other, with temporary buffers between them. */
import type { Kernel } from "./kernel.ts";

/** Buffers are numbered: operands, results, then temporaries. */
export interface KernelSequence {
  /** Bytes of each. */
  readonly temporaries: readonly number[];
  readonly kernels: readonly { readonly source: Kernel; readonly buffers: readonly number[] }[];
}

export class SequenceBuilder implements KernelSequence {
  readonly temporaries: number[] = [];
  readonly kernels: { source: Kernel; buffers: readonly number[] }[] = [];
  readonly #given: number;

  /** `given`: how many operands and results there are. */
  constructor(given: number) {
    this.#given = given;
  }

  /** @returns the number of a new buffer */
  temporary(bytes: number): number {
    this.temporaries.push(bytes);
    return this.#given + this.temporaries.length - 1;
  }

  add(source: Kernel, buffers: readonly number[]): void {
    this.kernels.push({ source, buffers });
  }
}
