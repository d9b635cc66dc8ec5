/** Refuses server optimisers that see more than one element at a time, for the coordinator shows them one flat vector. */
import { type Program, sizeOf, type TensorType, valueTypes } from "@weft/tensor";
import { CoordinatorOptionsError } from "../errors.ts";

/**
 * A norm or a matrix product of the flat vector, or of a run of it, is not that of the parameters it is made of.
 *
 * @param elements length of the vectors that the program steps
 * @throws {CoordinatorOptionsError} naming the optimiser and what it does
 */
export function checkElementwise(program: Program, elements: number, name: string): void {
  const types = valueTypes(program);
  const isVector = ({ shape }: TensorType) => sizeOf(shape) === elements && elements > 1;
  for (const { inputs, outputs, primitive } of program.instructions) {
    const reads = inputs.flatMap((value) => types[value] ?? []);
    if (!reads.some(isVector) || outputs.every(isVector)) continue;
    throw new CoordinatorOptionsError(
      `server optimiser ${name} looks at more than one element at a time (${primitive}); the coordinator steps one flat vector: ` +
        "use one that works element by element, such as sgd or adam",
    );
  }
}
