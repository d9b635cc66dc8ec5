/** The reference backend, which defines what every primitive means: plain loops, one after another, no cleverness. */
import type { Backend, CompileOptions, Executable, Resident } from "../backend.ts";
import { copyInto, isResident } from "../backend.ts";
import type { TensorData } from "../dtype.ts";
import { DonatedError } from "../errors.ts";
import type { Program } from "../program.ts";
import { interpret } from "./interpret.ts";

export function createReferenceBackend(): Backend {
  return {
    name: "reference",
    recipe: { module: "@weft/tensor/reference", maker: "createReferenceBackend" },
    synchronous: true,
    compile: (program, options = {}) => executable(program, options),
  };
}

function executable(program: Program, { aliases }: CompileOptions): Executable {
  let lent: ReferenceResident[] = [];
  return {
    run: (inputs: readonly (TensorData | Resident)[]) => {
      const values = inputs.map((input) => (isResident(input) ? input.read() : input));
      for (const resident of lent) resident.overwrite();
      const results = interpret(program, values).map((result) => result.slice());
      const outputs = results.map((result, output) => (aliases?.has(output) ? new ReferenceResident(result) : result));
      lent = outputs.filter((output) => output instanceof ReferenceResident);
      return outputs;
    },
    dispose: () => {
      lent = [];
    },
  };
}

/** Holds its value until the executable runs again, as if it lay in memory that the run overwrites. */
class ReferenceResident implements Resident {
  #value: TensorData | undefined;

  constructor(value: TensorData) {
    this.#value = value;
  }

  read(): TensorData {
    return this.#kept().slice();
  }

  readInto(out: TensorData): void {
    copyInto(out, this.#kept());
  }

  overwrite(): void {
    this.#value = undefined;
  }

  #kept(): TensorData {
    if (!this.#value) {
      throw new DonatedError(
        "expected a value that is still there, got one that a later run of the compiled step has overwritten; read it before, or do not donate it",
      );
    }
    return this.#value;
  }
}
