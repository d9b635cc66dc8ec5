/** Computing what is asked for: the graph behind a tensor becomes a Program, runs, and is let go. */
import type { Backend, Executable, Resident } from "./backend.ts";
import { copyInto, isResident } from "./backend.ts";
import { currentBackend } from "./backends.ts";
import type { TensorData } from "./dtype.ts";
import { allocate, roundedTo } from "./dtype.ts";
import { ShapeError, TraceError } from "./errors.ts";
import type { Tensor } from "./graph.ts";
import { settle } from "./keepGraph.ts";
import { typeText } from "./program.ts";
import { structureOf } from "./structure.ts";
import { toProgram } from "./trace.ts";

/** Executables kept per backend; the least recently used goes first. */
const cacheSize = 256;

/** Computes several tensors in one run, so that what they share is computed once. */
export async function realize(...tensors: readonly Tensor[]): Promise<void> {
  const run = prepare(tensors);
  if (run) run.store(await run.executable.run(run.inputs));
}

/**
 * `realize` at once.
 *
 * @throws {TraceError} on a backend that only answers asynchronously
 */
export function realizeSync(...tensors: readonly Tensor[]): void {
  const run = prepare(tensors);
  if (!run) return;
  const { name, synchronous } = currentBackend();
  const results = synchronous ? run.executable.run(run.inputs) : undefined;
  if (!results || results instanceof Promise) {
    throw new TraceError(`dataSync: the ${name} backend answers asynchronously; await x.data() instead`);
  }
  run.store(results);
}

/**
 * The elements in row-major order: a fresh copy, or `out` with them in it.
 *
 * @param out of the tensor's dtype and size
 * @throws {ShapeError} when it is not
 */
export async function data(x: Tensor, out?: TensorData): Promise<TensorData> {
  await realize(x);
  return copyOf(x, out);
}

/** `data` at once, on a backend that answers synchronously. */
export function dataSync(x: Tensor, out?: TensorData): TensorData {
  realizeSync(x);
  return copyOf(x, out);
}

/** The number that a tensor of one element holds. */
export async function item(x: Tensor): Promise<number> {
  await realize(expectOne(x));
  return elementsOf(x)[0] ?? 0;
}

/** `item` at once, on a backend that answers synchronously. */
export function itemSync(x: Tensor): number {
  realizeSync(expectOne(x));
  return elementsOf(x)[0] ?? 0;
}

/** The elements of a computed tensor; the array may be the tensor's own and is not to be changed. */
export function elementsOf(x: Tensor): TensorData {
  const value = valueOf(x);
  return isResident(value) ? value.read() : value;
}

function copyOf(x: Tensor, out?: TensorData): TensorData {
  const value = valueOf(x);
  if (!out) return isResident(value) ? value.read() : value.slice();
  if (isResident(value)) value.readInto(out);
  else copyInto(out, value);
  return out;
}

function valueOf(x: Tensor): TensorData | Resident {
  if (x.node.kind !== "data") throw new Error(`${typeText(x)} has not been computed`);
  return x.node.value;
}

/** What it takes to compute those of the tensors that are not known yet. */
function prepare(tensors: readonly Tensor[]) {
  const pending = tensors.filter((tensor) => tensor.node.kind !== "data" && !fill(tensor));
  if (pending.length === 0) return undefined;
  const { key, leaves } = structureOf(pending);
  const executable = cacheOf(currentBackend()).get(key, () => toProgram(pending, leaves));
  const inputs = leaves.map(({ node }): TensorData | Resident => {
    if (node.kind !== "data") throw new Error("a leaf without a value");
    return node.value;
  });
  const store = (results: readonly (TensorData | Resident)[]) => {
    pending.forEach((tensor, i) => {
      const value = results[i];
      if (!value) throw new Error(`the backend gave ${results.length} results for ${pending.length} tensors`);
      settle(tensor, value);
    });
  };
  return { executable, inputs, store };
}

/** A constant needs no backend. */
function fill(tensor: Tensor): boolean {
  const { node } = tensor;
  if (node.kind !== "operation" || node.primitive !== "constant") return false;
  tensor.node = {
    kind: "data",
    value: allocate(tensor.dtype, tensor.size).fill(roundedTo(tensor.dtype, node.params.value)),
  };
  return true;
}

class ExecutableCache {
  /** In order of use, the oldest first. */
  readonly #executables = new Map<string, Executable>();
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get(key: string, program: () => ReturnType<typeof toProgram>): Executable {
    const executable = this.#executables.get(key) ?? this.#backend.compile(program());
    this.#executables.delete(key);
    this.#executables.set(key, executable);
    for (const [oldest, unused] of this.#executables) {
      if (this.#executables.size <= cacheSize) break;
      this.#executables.delete(oldest);
      unused.dispose();
    }
    return executable;
  }
}

const caches = new WeakMap<Backend, ExecutableCache>();

function cacheOf(backend: Backend): ExecutableCache {
  const cache = caches.get(backend) ?? new ExecutableCache(backend);
  caches.set(backend, cache);
  return cache;
}

function expectOne(x: Tensor): Tensor {
  if (x.size !== 1) throw new ShapeError(`item: expected one element, got ${typeText(x)}; reduce it or read data()`);
  return x;
}
