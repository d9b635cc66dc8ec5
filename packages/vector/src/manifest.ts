/** The manifest of a model: which parameter, of which shape and kind, lies where in the flat vector. */
import { ManifestError } from "./errors.ts";

export const parameterKinds = ["weight", "statistic", "control"] as const;

/** A trained weight, a running statistic (combined but not differentiated), or a control variate that corrects gradients. */
export type ParameterKind = (typeof parameterKinds)[number];

/** One parameter; its elements are `flat[offset .. offset + product(shape))`, row-major. */
export interface ManifestEntry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly kind: ParameterKind;
  readonly offset: number;
}

/** Parameters in the order of the flat vector, without gaps; `size` is their total in elements. */
export interface Manifest {
  readonly entries: readonly ManifestEntry[];
  readonly size: number;
}

/** What a manifest is made from. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: readonly number[];
  /** A weight unless said otherwise. */
  readonly kind?: ParameterKind;
}

const maximumElements = 2 ** 32;
const maximumEntries = 65536;
const maximumRank = 8;
const maximumNameLength = 256;
const namePattern = /^[A-Za-z0-9_][A-Za-z0-9_.:/#[\]-]*$/;
/** Names that mean something to JavaScript objects or to the safetensors header. */
const reservedNames: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype", "__metadata__"]);

/**
 * Lays parameters out one after the other.
 *
 * @throws {ManifestError} for a duplicate or malformed name, a shape that is not non-negative integers, or more than 2^32 elements
 */
export function createManifest(parameters: readonly ParameterSpec[]): Manifest {
  if (parameters.length > maximumEntries) {
    throw new ManifestError(`a manifest has at most ${maximumEntries} parameters, got ${parameters.length}`);
  }
  const names = new Set<string>();
  const entries: ManifestEntry[] = [];
  let size = 0;
  for (const { name, shape, kind = "weight" } of parameters) {
    checkName(name, names);
    if (!parameterKinds.includes(kind)) {
      throw new ManifestError(
        `parameter ${name}: kind is one of ${parameterKinds.join(", ")}, got ${JSON.stringify(kind)}`,
      );
    }
    entries.push({ name, shape: [...shape], kind, offset: size });
    size += elementsOf(name, shape);
    if (size > maximumElements) {
      throw new ManifestError(`parameter ${name} brings the vector to ${size} elements; at most 2^32 are addressable`);
    }
  }
  return { entries, size };
}

/**
 * A manifest from parsed JSON or msgpack; only the known fields are kept.
 *
 * @throws {ManifestError} unless it is exactly what `createManifest` would lay out
 */
export function parseManifest(value: unknown): Manifest {
  const { entries, size } = record(value, "a manifest");
  if (!Array.isArray(entries)) throw new ManifestError("a manifest has an array `entries`");
  const offsets: unknown[] = [];
  const parameters = entries.map((entry: unknown, index): ParameterSpec => {
    const { name, shape, kind, offset } = record(entry, `entry ${index} of the manifest`);
    if (typeof name !== "string") throw new ManifestError(`entry ${index} of the manifest has no string \`name\``);
    if (!Array.isArray(shape)) throw new ManifestError(`parameter ${index} has no array \`shape\``);
    const known = parameterKinds.find((candidate) => candidate === kind);
    if (known === undefined) {
      throw new ManifestError(`parameter ${index}: kind is one of ${parameterKinds.join(", ")}`);
    }
    offsets.push(offset);
    // The elements are checked by createManifest, which takes nothing but non-negative integers.
    return { name, shape: shape as readonly number[], kind: known };
  });
  const manifest = createManifest(parameters);
  for (const [index, entry] of manifest.entries.entries()) {
    if (offsets[index] !== entry.offset) {
      throw new ManifestError(
        `parameter ${entry.name} starts at ${entry.offset}; the manifest says ${show(offsets[index])}`,
      );
    }
  }
  if (size !== manifest.size) {
    throw new ManifestError(`the parameters have ${manifest.size} elements; the manifest says ${show(size)}`);
  }
  return manifest;
}

/** The parameters as subarrays of the flat vector, in manifest order: writing to one writes to the other. */
export function parameterViews(manifest: Manifest, flat: Float32Array): Map<string, Float32Array> {
  if (flat.length !== manifest.size) {
    throw new ManifestError(`the manifest describes ${manifest.size} elements, got a vector of ${flat.length}`);
  }
  const views = new Map<string, Float32Array>();
  for (const { name, shape, offset } of manifest.entries) {
    views.set(name, flat.subarray(offset, offset + elementsOf(name, shape)));
  }
  return views;
}

/**
 * Copies named parameters into one flat vector.
 *
 * @throws {ManifestError} when a parameter is missing, unknown to the manifest, or of another length
 */
export function flatten(manifest: Manifest, parameters: ReadonlyMap<string, Float32Array>): Float32Array {
  const flat = new Float32Array(manifest.size);
  const views = parameterViews(manifest, flat);
  for (const name of parameters.keys()) {
    if (!views.has(name)) throw new ManifestError(`parameter ${name} is not in the manifest`);
  }
  for (const [name, view] of views) {
    const values = parameters.get(name);
    if (values === undefined) throw new ManifestError(`parameter ${name} is missing; the manifest lists it`);
    if (values.length !== view.length) {
      throw new ManifestError(`parameter ${name} has ${view.length} elements, got ${values.length}`);
    }
    view.set(values);
  }
  return flat;
}

function checkName(name: string, taken: Set<string>): void {
  const shown = JSON.stringify(name.slice(0, maximumNameLength));
  if (name.length > maximumNameLength || !namePattern.test(name)) {
    throw new ManifestError(
      `parameter name ${shown}: expected 1 to ${maximumNameLength} letters, digits or _ . : / # [ ] -`,
    );
  }
  if (name.split(/[./]/).some((part) => reservedNames.has(part))) {
    throw new ManifestError(`parameter name ${shown} is reserved; choose another`);
  }
  if (taken.has(name)) throw new ManifestError(`two parameters are named ${shown}; rename one`);
  taken.add(name);
}

function elementsOf(name: string, shape: readonly number[]): number {
  if (shape.length > maximumRank) {
    throw new ManifestError(`parameter ${name}: rank ${shape.length}, at most ${maximumRank} is supported`);
  }
  let elements = 1;
  for (const extent of shape) {
    if (!Number.isSafeInteger(extent) || extent < 0) {
      throw new ManifestError(
        `parameter ${name}: a shape is non-negative integers, got [${shape.map(show).join(", ")}]`,
      );
    }
    elements *= extent;
    if (elements > maximumElements) {
      throw new ManifestError(`parameter ${name}: shape [${shape.join(", ")}] is beyond 2^32 elements`);
    }
  }
  return elements;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ManifestError(
      `${what} is an object, got ${value === null ? "null" : Array.isArray(value) ? "an array" : typeof value}`,
    );
  }
  return value as Record<string, unknown>;
}

/** A value of unknown type in a message; String() of a hostile object may throw. */
const show = (value: unknown): string => (typeof value === "number" ? String(value) : typeof value);
