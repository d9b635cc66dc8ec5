/** Version 0: what the job's own initialisation program gives for its seed, of what workers share. */
import type { DecodedJob } from "@weft/protocol";
import { currentBackend, isResident, sizeOf, WeftError } from "@weft/tensor";
import { decode } from "@weft/tensor/programs";
import { allFinite, type Manifest } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
import { letGo } from "./letGo.ts";

/**
 * @param flat room for it, filled with zeros
 * @throws {CoordinatorOptionsError} when the program does not make the parameters that the job lists, or makes values that
 *   are not finite
 */
export async function initialWeights(
  { document, program }: DecodedJob,
  manifest: Manifest,
  flat: Float32Array = new Float32Array(manifest.size),
): Promise<Float32Array> {
  const initialize = decodeInitialize(program(document.programs.initialize));
  const types = initialize.outputs.length;
  const { parameters } = document;
  if (types !== parameters.length) {
    throw new CoordinatorOptionsError(
      `the job lists ${parameters.length} parameters, its initialisation makes ${types}; define the job again`,
    );
  }
  const executable = currentBackend().compile(initialize);
  const key = Uint32Array.of(document.seed % 2 ** 32, Math.floor(document.seed / 2 ** 32));
  const outputs = await executable.run([key]);
  // What is a worker's own is not here, and control variates begin at 0.
  for (const { name, shape, offset, kind } of manifest.entries) {
    if (kind === "control") continue;
    const output = outputs[parameters.findIndex((parameter) => parameter.name === name)];
    const values = output === undefined || !isResident(output) ? output : output.read();
    if (!(values instanceof Float32Array) || values.length !== sizeOf(shape)) {
      throw new CoordinatorOptionsError(
        `parameter ${name} is f32[${shape.join(",")}]; the job's initialisation makes another; define the job again`,
      );
    }
    flat.set(values, offset);
    letGo(values);
  }
  executable.dispose();
  if (!allFinite(flat)) {
    const bad = flat.findIndex((value) => !Number.isFinite(value));
    throw new CoordinatorOptionsError(`the job's initialisation gives ${String(flat[bad])} at element ${bad}`);
  }
  return flat;
}

function decodeInitialize(bytes: Uint8Array) {
  try {
    return decode(bytes);
  } catch (cause) {
    if (!(cause instanceof WeftError)) throw cause;
    throw new CoordinatorOptionsError(`the job's initialisation program is damaged: ${cause.message}`, { cause });
  }
}
