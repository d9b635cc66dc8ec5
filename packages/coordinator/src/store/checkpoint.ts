/** Whole versions on disk: the parameters by name, the optimiser's state beside them, both as safetensors. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { TensorData } from "@weft/tensor";
import { loopTurns } from "@weft/transport";
import {
  decodeSafetensors,
  type Manifest,
  parameterViews,
  type SafeTensor,
  safetensorsParts,
  WeftError as VectorError,
} from "@weft/vector";
import type { Disk } from "../disk.ts";
import { StoreError } from "../errors.ts";
import { copyInTurns } from "../model/copyInTurns.ts";
import type { OptimizerState } from "../model/serverModel.ts";
import type { CheckpointRecord } from "./database.ts";
import { explained } from "./nodeDisk.ts";
import { at, stateFile, versionFile } from "./layout.ts";

export interface Checkpoint {
  readonly version: number;
  readonly weights: Float32Array;
  readonly state: OptimizerState;
}

/** Writes both files under their names, each in one instant; the checkpoint counts once its record is in the database. */
export async function writeCheckpoint(
  directory: string,
  checkpoint: Checkpoint,
  how: { readonly disk: Disk; readonly manifest: Manifest; readonly run: string; readonly flush: boolean },
): Promise<CheckpointRecord> {
  const { version, weights, state } = checkpoint;
  const metadata = { run: how.run, version: String(version) };
  const parameters = safetensorsParts(parameterTensors(how.manifest, weights), metadata);
  const optimizer = safetensorsParts(state.map(stateTensor), metadata);
  const versionSha256 = await place(at(directory, versionFile(version)), parameters, how);
  const stateSha256 = await place(at(directory, stateFile(version)), optimizer, how);
  return { version, versionSha256, stateSha256, flushed: how.flush };
}

/** In a slice of a turn of the event loop. */
const hashedAtOnce = 256 * 1024;

async function place(
  path: string,
  { header, parts }: { readonly header: Uint8Array; readonly parts: readonly Uint8Array[] },
  { disk, flush }: { readonly disk: Disk; readonly flush: boolean },
): Promise<string> {
  const temporary = `${path}.part`;
  await disk.write(temporary, [header, ...parts], { flush });
  await disk.rename(temporary, path, { flush });
  return sha256Of([header, ...parts]);
}

async function sha256Of(parts: readonly Uint8Array[]): Promise<string> {
  const hash = createHash("sha256");
  for (const part of parts) {
    for (let at = 0; at < part.length; at += hashedAtOnce) {
      hash.update(part.subarray(at, at + hashedAtOnce));
      if (part.length > hashedAtOnce) await loopTurns.next();
    }
  }
  return hash.digest("hex");
}

/** @throws {StoreError} saying what is wrong with the files */
export async function readCheckpoint(
  directory: string,
  record: CheckpointRecord,
  manifest: Manifest,
): Promise<Checkpoint> {
  const { version } = record;
  const weights = await readWeights(at(directory, versionFile(version)), manifest, record.versionSha256);
  const tensors = await readTensors(at(directory, stateFile(version)), record.stateSha256);
  const state: TensorData[] = [];
  for (let i = 0; i < tensors.size; i++) {
    const tensor = tensors.get(`state.${i}`);
    const known = tensor?.dtype === "F32" || tensor?.dtype === "I32" || tensor?.dtype === "U32";
    if (!known) throw new StoreError(`${stateFile(version)}: no tensor state.${i} of a known type`);
    state.push(await copied(tensor.data));
  }
  return { version, weights, state };
}

export async function readWeights(path: string, manifest: Manifest, sha256?: string): Promise<Float32Array> {
  const tensors = await readTensors(path, sha256);
  const flat = new Float32Array(manifest.size);
  for (const [name, view] of parameterViews(manifest, flat)) {
    const tensor = tensors.get(name);
    if (tensor?.dtype !== "F32" || tensor.data.length !== view.length) {
      throw new StoreError(`${path}: parameter ${name} of ${view.length} f32 values expected`);
    }
    await copyInTurns(tensor.data, view);
  }
  return flat;
}

/** In memory of its own, not the file's. */
async function copied(values: Float32Array | Int32Array | Uint32Array): Promise<TensorData> {
  const copy = new (values.constructor as new (length: number) => TensorData)(values.length);
  await copyInTurns(values, copy);
  return copy;
}

async function readTensors(path: string, sha256: string | undefined): Promise<ReadonlyMap<string, SafeTensor>> {
  const bytes = await explained(path, () => readFile(path));
  if (sha256 !== undefined && (await sha256Of([bytes])) !== sha256) {
    throw new StoreError(`${path}: the file is not what was written (its SHA-256 differs)`);
  }
  try {
    return decodeSafetensors(bytes).tensors;
  } catch (cause) {
    if (!(cause instanceof VectorError)) throw cause;
    throw new StoreError(`${path}: ${cause.message}`, { cause });
  }
}

function parameterTensors(manifest: Manifest, weights: Float32Array): SafeTensor[] {
  const views = parameterViews(manifest, weights);
  return manifest.entries.map(({ name, shape }) => {
    const data = views.get(name);
    if (data === undefined) throw new Error(`parameter ${name} has no view`);
    return { name, shape, dtype: "F32", data: owned(data) as Float32Array<ArrayBuffer> };
  });
}

function stateTensor(values: TensorData, index: number): SafeTensor {
  const head = { name: `state.${index}`, shape: [values.length] };
  const data = owned(values);
  if (data instanceof Float32Array) return { ...head, dtype: "F32", data };
  if (data instanceof Int32Array) return { ...head, dtype: "I32", data };
  if (data instanceof Uint32Array) return { ...head, dtype: "U32", data };
  throw new Error("an optimiser keeps state of a type that is not stored");
}

type Owned = Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** The coordinator's vectors are its own, never views of shared memory; the compiler cannot know. */
const owned = (values: TensorData) => values as Owned;
