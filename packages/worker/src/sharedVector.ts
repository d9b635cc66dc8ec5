/** Between the vector that travels and the parameters that a worker trains: its own ones join in, control variates part. */
import type { Manifest } from "@weft/vector";

export interface Layouts {
  /** All parameters. */
  readonly manifest: Manifest;
  /** What travels. */
  readonly shared: Manifest;
}

/** Where a parameter lies: among all, among those that travel or else among the worker's own, and its control variate. */
interface Piece {
  readonly elements: number;
  readonly whole: number;
  readonly shared: number | undefined;
  readonly own: number | undefined;
  readonly control: number | undefined;
}

interface Pieces {
  readonly all: readonly Piece[];
  readonly ownElements: number;
  /** Whether the two vectors are the same. */
  readonly areOne: boolean;
}

const known = new WeakMap<Manifest, Pieces>();

function piecesOf({ manifest, shared }: Layouts): Pieces {
  const found = known.get(shared);
  if (found !== undefined) return found;
  const places = new Map(shared.entries.map(({ name, offset }) => [name, offset]));
  let ownElements = 0;
  const all = manifest.entries.map(({ name, offset }, i): Piece => {
    const elements = (manifest.entries[i + 1]?.offset ?? manifest.size) - offset;
    const [place, control] = [places.get(name), places.get(`control/${name}`)];
    const own = place === undefined ? ownElements : undefined;
    if (own !== undefined) ownElements += elements;
    return { elements, whole: offset, shared: place, own, control };
  });
  const pieces = { all, ownElements, areOne: ownElements === 0 && shared.size === manifest.size };
  known.set(shared, pieces);
  return pieces;
}

/** Whether any parameter is a worker's own. */
export const hasOwn = (layouts: Layouts): boolean => piecesOf(layouts).ownElements > 0;

/** All parameters: what travelled, with the worker's own in their places. */
export function wholeVector(layouts: Layouts, travelled: Float32Array, own?: Float32Array): Float32Array {
  const pieces = piecesOf(layouts);
  if (pieces.areOne) return travelled;
  const whole = new Float32Array(layouts.manifest.size);
  for (const piece of pieces.all) {
    const [from, start] = piece.shared === undefined ? [own, piece.own] : [travelled, piece.shared];
    if (from !== undefined && start !== undefined) whole.set(from.subarray(start, start + piece.elements), piece.whole);
  }
  return whole;
}

/** The worker's own parameters, out of all. */
export function ownVector(layouts: Layouts, whole: Float32Array): Float32Array {
  const { all, ownElements } = piecesOf(layouts);
  const vector = new Float32Array(ownElements);
  for (const { own, whole: at, elements } of all) {
    if (own !== undefined) vector.set(whole.subarray(at, at + elements), own);
  }
  return vector;
}

/** The control variates that travelled, each in its weight's place; 0 elsewhere. */
export function controlVector(layouts: Layouts, travelled: Float32Array): Float32Array {
  const whole = new Float32Array(layouts.manifest.size);
  for (const { control, whole: at, elements } of piecesOf(layouts).all) {
    if (control !== undefined) whole.set(travelled.subarray(control, control + elements), at);
  }
  return whole;
}

/** What is to travel of a change of all parameters, and of the change of their control variates. */
export function sharedVector(layouts: Layouts, change: Float32Array, controlChange?: Float32Array): Float32Array {
  const pieces = piecesOf(layouts);
  if (pieces.areOne) return change;
  const travelling = new Float32Array(layouts.shared.size);
  for (const { elements, whole: at, shared, control } of pieces.all) {
    if (shared !== undefined) travelling.set(change.subarray(at, at + elements), shared);
    if (control !== undefined && controlChange) travelling.set(controlChange.subarray(at, at + elements), control);
  }
  return travelling;
}
