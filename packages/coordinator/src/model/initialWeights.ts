/** Version 0: what the job's own initialisation program gives for its seed, of what workers share. */
import type { DecodedJob } from "@weft/protocol";
import { currentBackend, sizeOf, type TensorData } from "@weft/tensor";
import { loopTurns } from "@weft/transport";
import { allFinite, type Manifest } from "@weft/vector";
import { CoordinatorOptionsError } from "../errors.ts";
import { copyInTurns } from "./copyInTurns.ts";
import { initializeElsewhere, NoThread } from "./initializeElsewhere.ts";
import { type Initialization, initializeHere, type Initializer } from "./initializer.ts";
import { letGo } from "./letGo.ts";

export interface InitialWeightsOptions {
  /** Room for them, filled with zeros. */
  readonly flat?: Float32Array | undefined;
  /** Gives up what is under way. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Made on a thread of its own where it takes more than some milliseconds, if the current backend can be had there.
 *
 * @throws {CoordinatorOptionsError} when the program does not make the parameters that the job lists, or makes values that
 *   are not finite
 */
export async function initialWeights(
  { document, program }: DecodedJob,
  manifest: Manifest,
  { flat = new Float32Array(manifest.size), signal }: InitialWeightsOptions = {},
): Promise<Float32Array> {
  const { seed, parameters } = document;
  const key = Uint32Array.of(seed % 2 ** 32, Math.floor(seed / 2 ** 32));
  // What is a worker's own is not here, and control variates begin at 0.
  const wanted = manifest.entries.flatMap((entry) => {
    const place = parameters.findIndex(({ name }) => name === entry.name);
    return entry.kind === "control" || place < 0 ? [] : [{ ...entry, place }];
  });
  const elements = wanted.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  const initializer = await begin({ program: program(document.programs.initialize), key }, elements, signal);
  // Given back together: C libraries keep for themselves what is freed and taken again by turns, in sizes below 32 MiB.
  const used: TensorData[] = [];
  try {
    if (initializer.count !== parameters.length) {
      throw new CoordinatorOptionsError(
        `the job lists ${parameters.length} parameters, its initialisation makes ${initializer.count}; define the job again`,
      );
    }
    for (const [index, group] of groupsOf(wanted).entries()) {
      if (index > 0) await loopTurns.next();
      signal?.throwIfAborted();
      for (const [i, values] of (await initializer.make(group.map(({ place }) => place))).entries()) {
        used.push(values);
        await put(values, group[i]!, flat);
      }
    }
  } finally {
    await initializer.close();
    for (const values of used) {
      letGo(values);
      await loopTurns.next();
    }
  }
  await checkFinite(flat);
  return flat;
}

/** Elements made at once: some milliseconds' work. */
const madeAtOnce = 2 ** 19;
/** Some milliseconds' work too. More are made on a thread of their own, which takes a tenth of a second to start. */
const mostHere = 2 ** 18;
/** A longer program, of some twenty parameters, is as much work to decode and to compile. */
const longestHere = 2048;
const checkedAtOnce = 2 ** 17;

async function begin(what: Initialization, elements: number, signal: AbortSignal | undefined): Promise<Initializer> {
  const { recipe } = currentBackend();
  const isShort = elements <= mostHere && what.program.length <= longestHere;
  if (isShort || recipe === undefined) return initializeHere(what);
  try {
    return await initializeElsewhere(what, recipe, signal);
  } catch (error) {
    if (!(error instanceof NoThread)) throw error;
    const reason = error.cause instanceof Error ? error.cause.message : String(error.cause);
    process.emitWarning(`the thread for a run's initial weights did not start (${reason}); they are made on this one`);
    return initializeHere(what);
  }
}

interface Wanted extends Pick<Manifest["entries"][number], "name" | "shape" | "offset"> {
  /** Among the parameters that the job lists. */
  readonly place: number;
}

/** Neighbours, so many that what they hold is made at once. */
function groupsOf(wanted: readonly Wanted[]): Wanted[][] {
  const groups: Wanted[][] = [];
  let elements = 0;
  for (const parameter of wanted) {
    const size = sizeOf(parameter.shape);
    const last = groups.at(-1);
    if (last !== undefined && elements + size <= madeAtOnce) last.push(parameter);
    else groups.push([parameter]);
    elements = last !== undefined && elements + size <= madeAtOnce ? elements + size : size;
  }
  return groups;
}

/** @throws {CoordinatorOptionsError} for values of another type or number than the parameter has */
async function put(values: TensorData, { name, shape, offset }: Wanted, flat: Float32Array): Promise<void> {
  if (!(values instanceof Float32Array) || values.length !== sizeOf(shape)) {
    throw new CoordinatorOptionsError(
      `parameter ${name} is f32[${shape.join(",")}]; the job's initialisation makes another; define the job again`,
    );
  }
  await copyInTurns(values, flat.subarray(offset));
}

/** @throws {CoordinatorOptionsError} naming the first value that is not */
async function checkFinite(flat: Float32Array): Promise<void> {
  for (let start = 0; start < flat.length; start += checkedAtOnce) {
    if (start > 0) await loopTurns.next();
    const part = flat.subarray(start, start + checkedAtOnce);
    if (allFinite(part)) continue;
    const bad = part.findIndex((value) => !Number.isFinite(value));
    throw new CoordinatorOptionsError(`the job's initialisation gives ${String(part[bad])} at element ${start + bad}`);
  }
}
