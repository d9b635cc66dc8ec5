/** Version 0: what the job's own initialisation program gives for its seed, of what workers share. */
import type { DecodedJob } from "@weft/protocol";
import { currentBackend, isResident, sizeOf, type TensorData, WeftError } from "@weft/tensor";
import { decode } from "@weft/tensor/programs";
import { loopTurns } from "@weft/transport";
import { allFinite, type Manifest } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
import { copyInTurns } from "./copyInTurns.ts";
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
  const key = Uint32Array.of(document.seed % 2 ** 32, Math.floor(document.seed / 2 ** 32));
  // What is a worker's own is not here, and control variates begin at 0.
  const made = manifest.entries.flatMap((entry) => {
    const output = initialize.outputs[parameters.findIndex(({ name }) => name === entry.name)];
    return entry.kind === "control" || output === undefined ? [] : [{ ...entry, output }];
  });
  // Given back together: C libraries keep for themselves what is freed and taken again by turns, in sizes below 32 MiB.
  const used: TensorData[] = [];
  for (const [index, group] of groupsOf(made).entries()) {
    if (index > 0) await loopTurns.next();
    const executable = currentBackend().compile({ ...initialize, outputs: group.map(({ output }) => output) });
    for (const [i, value] of (await executable.run([key])).entries()) {
      const values = isResident(value) ? value.read() : value;
      await place(values, group[i]!, flat);
      used.push(values);
    }
    executable.dispose();
  }
  for (const values of used) letGo(values);
  for (let start = 0; start < flat.length; start += checkedAtOnce) {
    if (start > 0) await loopTurns.next();
    const part = flat.subarray(start, start + checkedAtOnce);
    if (allFinite(part)) continue;
    const bad = part.findIndex((value) => !Number.isFinite(value));
    throw new CoordinatorOptionsError(`the job's initialisation gives ${String(part[bad])} at element ${start + bad}`);
  }
  return flat;
}

/** Elements computed between two turns of the event loop, unless one parameter alone has more: some milliseconds' work. */
const computedAtOnce = 2 ** 19;
const checkedAtOnce = 2 ** 19;

interface Made extends Pick<Manifest["entries"][number], "name" | "shape" | "offset"> {
  /** Of the program. */
  readonly output: number;
}

/** Neighbours, so many that what they hold is computed at once. */
function groupsOf(made: readonly Made[]): Made[][] {
  const groups: Made[][] = [];
  let elements = 0;
  for (const parameter of made) {
    const size = sizeOf(parameter.shape);
    const last = groups.at(-1);
    if (last !== undefined && elements + size <= computedAtOnce) last.push(parameter);
    else groups.push([parameter]);
    elements = last !== undefined && elements + size <= computedAtOnce ? elements + size : size;
  }
  return groups;
}

/** @throws {CoordinatorOptionsError} for values of another type or number than the parameter has */
async function place(values: TensorData, { name, shape, offset }: Made, flat: Float32Array): Promise<void> {
  if (!(values instanceof Float32Array) || values.length !== sizeOf(shape)) {
    throw new CoordinatorOptionsError(
      `parameter ${name} is f32[${shape.join(",")}]; the job's initialisation makes another; define the job again`,
    );
  }
  await copyInTurns(values, flat.subarray(offset));
}

function decodeInitialize(bytes: Uint8Array) {
  try {
    return decode(bytes);
  } catch (cause) {
    if (!(cause instanceof WeftError)) throw cause;
    throw new CoordinatorOptionsError(`the job's initialisation program is damaged: ${cause.message}`, { cause });
  }
}
