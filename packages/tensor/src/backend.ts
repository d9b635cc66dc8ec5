/** What an execution engine provides. Backends are chosen by value: `setBackend(createWasmBackend())`. */
import type { DType, TensorData } from "./dtype.ts";
import { ShapeError } from "./errors.ts";
import type { Program } from "./program.ts";

export interface CompileOptions {
  /**
   * Inputs whose memory the program may overwrite. `aliases[output] = input` asks that this output is left in that
   * input's place: the executable keeps it resident, and handing the same `Resident` back costs no copy.
   */
  readonly aliases?: ReadonlyMap<number, number>;
}

/** A value that stays in the memory of the executable that made it until its next run; `read` copies it out. */
export interface Resident {
  /** A fresh copy; throws DonatedError once a later run has overwritten the place. */
  read(): TensorData;
  /**
   * As `read`, but into memory that is there: an array of the value's dtype and size, which may be part of a larger one.
   *
   * @throws {ShapeError} for an array of another type or length
   */
  readInto(out: TensorData): void;
}

export const isResident = (value: TensorData | Resident): value is Resident => !ArrayBuffer.isView(value);

/** Copies elements into an array of their type and number. */
export function copyInto(out: TensorData, elements: TensorData): void {
  const [expected, got] = [elements, out].map(({ constructor, length }) => `${constructor.name} of ${length} elements`);
  if (expected !== got)
    throw new ShapeError(`read: expected a ${expected} to read into, got a ${got}; give one like it`);
  out.set(elements);
}

/** A compiled Program. CPU backends answer synchronously. */
export interface Executable {
  /** Outputs are fresh arrays, but for aliased ones, which are `Resident`. Inputs are never kept. */
  run(inputs: readonly (TensorData | Resident)[]): (TensorData | Resident)[] | Promise<(TensorData | Resident)[]>;
  /** Frees what the executable holds; called when a cache lets go of it. */
  dispose(): void;
}

/**
 * By what another thread makes a backend whose results have the same bits: it imports `module`, a specifier or an address, and calls what is
 * exported there as `maker` with `options`, which can be sent to it.
 */
export interface BackendRecipe {
  readonly module: string;
  readonly maker: string;
  readonly options?: unknown;
}

export interface Backend {
  readonly name: string;
  /** None if absent: what it computes is computed by this one alone. */
  readonly recipe?: BackendRecipe | undefined;
  /** True when `run` answers synchronously, so that `dataSync` works. */
  readonly synchronous: boolean;
  /** What programs may not hold; `compile` refuses it. None if absent. */
  readonly lacks?: readonly DType[];
  compile(program: Program, options?: CompileOptions): Executable;
}
