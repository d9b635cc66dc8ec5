/** Runs a job's initialisation program, for some of its parameters at a time. */
import { type Backend, currentBackend, isResident, type TensorData, WeftError } from "@weft/tensor";
import { decode } from "@weft/tensor/programs";
import { CoordinatorOptionsError } from "../errors.ts";

export interface Initializer {
  /** Parameters that the program makes. */
  readonly count: number;
  /** The values of some of them, by their places; each is the caller's. */
  make(places: readonly number[]): Promise<readonly TensorData[]>;
  /** Gives back what it holds; what is under way is given up. */
  close(): Promise<void>;
}

/** A program, and the two words of the key that it is run with. */
export interface Initialization {
  readonly program: Uint8Array;
  readonly key: Uint32Array;
}

/**
 * On the calling thread.
 *
 * @throws {CoordinatorOptionsError} when the program is damaged
 */
export function initializeHere({ program, key }: Initialization, backend: Backend = currentBackend()): Initializer {
  const decoded = decodeProgram(program);
  return {
    count: decoded.outputs.length,
    async make(places) {
      const executable = backend.compile({ ...decoded, outputs: places.map((place) => decoded.outputs[place]!) });
      try {
        const values = await executable.run([key]);
        return values.map((value) => (isResident(value) ? value.read() : value));
      } finally {
        executable.dispose();
      }
    },
    close: () => Promise.resolve(),
  };
}

function decodeProgram(bytes: Uint8Array) {
  try {
    return decode(bytes);
  } catch (cause) {
    if (!(cause instanceof WeftError)) throw cause;
    throw new CoordinatorOptionsError(`the job's initialisation program is damaged: ${cause.message}`, { cause });
  }
}
