/**
 * Models as safetensors files: parameters by name, the optimiser's state and free metadata. Also reads what others write, f16 and bf16
 * included; names and layouts of PyTorch and Keras are then converted by `fromPyTorch` and `fromKeras` of @weft/nn/saving.
 */
import { randomUUID } from "node:crypto";
import { open, readFile, rename, rm } from "node:fs/promises";
import type { Tensor } from "@weft/tensor";
import { adopt } from "@weft/tensor";
import type { SafeTensor } from "@weft/vector";
import { decodeSafetensors, safetensorsParts } from "@weft/vector";
import { ModelFileError } from "../errors.ts";
import { ofTensor, toTensor } from "./safeTensorData.ts";

export interface SavedModel {
  /** By name, in the order of the model. */
  readonly parameters: Readonly<Record<string, Tensor>>;
  /** What the optimiser's `init` or last `update` gave. */
  readonly optimizerState?: readonly Tensor[];
  /** Tensors beside the model, by name: what a callback remembers, for example. */
  readonly extra?: Readonly<Record<string, Tensor>>;
  /** Any texts: the job's name, the step, the optimiser's spec as JSON. Keys that start with "weft." are ours. */
  readonly metadata?: Readonly<Record<string, string>>;
}

export interface LoadedModel {
  readonly parameters: Record<string, Tensor>;
  /** Empty where the file has none. */
  readonly optimizerState: Tensor[];
  readonly extra: Record<string, Tensor>;
  readonly metadata: Record<string, string>;
}

export interface LoadOptions {
  /** Leaves f64 as it is, for the reference backend; by default all floats become f32. */
  readonly keepF64?: boolean;
}

/** Where it is said how many tensors are state, and in what order the parameters came. */
const stateKey = "weft.optimizerState";
const orderKey = "weft.parameters";
const extraPrefix = "weft.extra.";
const stateName = (index: number) => `weft.optimizerState.${index}`;

/**
 * Writes a model. The file is there whole or not at all: it is written beside its place and moved there.
 *
 * @throws {ModelFileError} for a name or a key of metadata that is ours
 */
export async function saveModel(path: string, model: SavedModel): Promise<void> {
  const { header, parts } = await modelParts(model);
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx");
    try {
      for (const part of [header, ...parts]) await file.writeFile(part);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw cause;
  }
}

/**
 * Reads a safetensors file: one of ours with state and metadata, or anyone's.
 *
 * @throws {ModelFileError} when there is no such file, or it is of another format
 */
export async function loadModel(path: string, options: LoadOptions = {}): Promise<LoadedModel> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ModelFileError(`${path}: expected a safetensors file, but it cannot be read; check the path`, { cause });
  }
  return decodeModel(path, bytes, options);
}

async function modelParts({ parameters, optimizerState = [], extra = {}, metadata = {} }: SavedModel) {
  const ours = [...Object.keys(parameters), ...Object.keys(metadata)].find((name) => name.startsWith("weft."));
  if (ours !== undefined) {
    throw new ModelFileError(`"${ours}": names that start with "weft." are kept for the optimiser's state; rename it`);
  }
  const tensors: SafeTensor[] = await Promise.all([
    ...Object.entries(parameters).map(([name, tensor]) => ofTensor(name, tensor)),
    ...optimizerState.map((tensor, i) => ofTensor(stateName(i), tensor)),
    ...Object.entries(extra).map(([name, tensor]) => ofTensor(`${extraPrefix}${name}`, tensor)),
  ]);
  // The format wants wide elements first, which moves parameters of several types.
  const mixed = new Set(Object.values(parameters).map(({ dtype }) => dtype)).size > 1;
  return safetensorsParts(tensors, {
    ...metadata,
    ...(optimizerState.length > 0 && { [stateKey]: String(optimizerState.length) }),
    ...(mixed && { [orderKey]: JSON.stringify(Object.keys(parameters)) }),
  });
}

function decodeModel(path: string, bytes: Uint8Array, options: LoadOptions): LoadedModel {
  // Zip files start so, and so do the pickles of torch.save.
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) {
    throw new ModelFileError(
      `${path}: expected safetensors, got a zip file, as torch.save writes; such files hold programs and are not read. ` +
        "Write it with safetensors.torch.save_file(model.state_dict(), path)",
    );
  }
  let file: ReturnType<typeof decodeSafetensors>;
  let order: readonly unknown[];
  try {
    file = decodeSafetensors(bytes);
    const given: unknown = JSON.parse(file.metadata[orderKey] ?? "[]");
    order = Array.isArray(given) ? given : [];
  } catch (cause) {
    throw new ModelFileError(`${path}: not a whole safetensors file; was it cut short, or is it of another format?`, {
      cause,
    });
  }
  const count = file.metadata[stateKey] ?? "0";
  const metadata = Object.entries(file.metadata).filter(([name]) => name !== stateKey && name !== orderKey);
  const take = (name: string): Tensor => {
    const stored = file.tensors.get(name);
    if (!stored) throw new ModelFileError(`${path}: its metadata promise a tensor "${name}", which is not there`);
    const { data, dtype } = toTensor(stored, { keepF64: options.keepF64 === true, where: path });
    return adopt(data, { shape: stored.shape, dtype });
  };
  const all = [...file.tensors.keys()];
  const [beside, others] = [true, false].map((is) => all.filter((name) => name.startsWith(extraPrefix) === is));
  const names = (others ?? []).filter((name) => count === "0" || !name.startsWith(`${stateKey}.`));
  return {
    parameters: Object.fromEntries(orderedBy(order, names).map((name) => [name, take(name)])),
    optimizerState: Array.from({ length: Math.min(Number(count), file.tensors.size) }, (_, i) => take(stateName(i))),
    extra: Object.fromEntries((beside ?? []).map((name) => [name.slice(extraPrefix.length), take(name)])),
    metadata: Object.fromEntries(metadata),
  };
}

/** The names in the order that the metadata tell; those it does not name come last, as they are. */
function orderedBy(order: readonly unknown[], names: readonly string[]): string[] {
  const places = new Map(order.map((name, i) => [name, i] as const));
  return names.toSorted((a, b) => (places.get(a) ?? names.length) - (places.get(b) ?? names.length));
}
