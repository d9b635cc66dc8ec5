/**
 * Reductions of a fused loop, in two shapes: along contiguous rows (several accumulating vectors, joined at the end) and down
 * columns (vectors across the kept axis). Long sums are carried in two levels, partial sums of a few hundred terms added
 * into totals, which keeps the rounding error small; the order depends on shapes alone.
 */
import type { Local, V128 } from "@weft/emitter";
import { f32x4, i32x4, v128 } from "@weft/emitter";
import type { Lanes, MovingPointers, VectorPosition } from "./loopBody.ts";
import { combineLanes, reductionStart } from "./operations.ts";
import type { LoopContext } from "./vectorLoop.ts";
import { walkVectors } from "./vectorLoop.ts";

/** Terms that one accumulator takes before it is added to its total. */
const partialLength = 256;

interface Accumulated {
  readonly result: number;
  readonly vectors: readonly Local<"v128">[];
  /**
   * Where the largest f32 of a row is sought: lanes in which a NaN came by. The one instruction for the larger of two loses it,
   * WebAssembly's own maximum takes eight; with this a row takes two thirds of the time.
   */
  readonly nans: Local<"v128"> | undefined;
}

/** Accumulators of every reduced result: `count` vectors each. */
class Accumulators {
  readonly #context: LoopContext;
  readonly #results: readonly Accumulated[];

  constructor(context: LoopContext, count: number) {
    this.#context = context;
    const { s, nest } = context;
    this.#results = nest.loop.results.flatMap(({ reduce, dtype }, result) => {
      if (reduce === undefined) return [];
      const vectors = Array.from({ length: count }, () => s.f.local("v128"));
      const mayLoseNan = nest.kind === "rows" && reduce === "max" && dtype === "f32";
      return [{ result, vectors, nans: mayLoseNan ? s.f.local("v128") : undefined }];
    });
    this.clear();
  }

  clear(): void {
    const { s } = this.#context;
    for (const { result, vectors, nans } of this.#results) {
      for (const vector of vectors) s.f.set(vector, this.#start(result));
      if (nans) s.f.set(nans, s.integer(0));
    }
  }

  /** Adds one vector's values; lanes past the end count as nothing. */
  take(index: number, values: readonly Lanes[], lanes: number): void {
    const { s, nest } = this.#context;
    for (const { result, vectors, nans } of this.#results) {
      const value = values[nest.loop.results[result]!.op]!.value;
      const exists = s.lanes([0, 1, 2, 3].map((lane) => (lane < lanes ? -1 : 0)));
      const masked = lanes === 4 ? value : s.keep(v128.bitselect(value, this.#start(result), exists));
      const vector = vectors[index]!;
      if (nans) {
        s.f.set(vector, f32x4.pmax(vector, masked));
        s.f.set(nans, v128.or(nans, f32x4.ne(masked, masked)));
      } else {
        this.#combine(result, vector, masked);
      }
    }
  }

  /** Adds another set of accumulators, which then starts afresh. */
  absorb(partial: Accumulators): void {
    this.#results.forEach(({ result, vectors, nans }, i) => {
      const other = partial.#results[i]!;
      vectors.forEach((vector, index) => this.#combine(result, vector, other.vectors[index]!));
      if (nans) this.#context.s.f.set(nans, v128.or(nans, other.nans!));
    });
    partial.clear();
  }

  /** Stores each accumulator as a vector of results. */
  storeVectors(pointers: MovingPointers, vectors: readonly VectorPosition[]): void {
    for (const { result, vectors: values } of this.#results) {
      vectors.forEach((at, index) => this.#context.body.store(result, pointers, { at, value: values[index]! }));
    }
  }

  /** Joins all accumulators and lanes into one number and stores it. */
  storeTotals(pointers: MovingPointers): void {
    const { s, body } = this.#context;
    for (const { result, vectors, nans } of this.#results) {
      if (nans) s.f.set(vectors[0]!, v128.or(vectors[0]!, nans));
      const open = [...vectors];
      while (open.length > 1) {
        const half = open.length >> 1;
        for (let i = 0; i < half; i++) this.#combine(result, open[i]!, open[open.length - 1 - i]!);
        open.length -= half;
      }
      const joined = open[0]!;
      this.#combine(result, joined, s.keep(i32x4.shuffle(joined, joined, [2, 3, 0, 1])));
      this.#combine(result, joined, s.keep(i32x4.shuffle(joined, joined, [1, 0, 3, 2])));
      body.store(result, pointers, { at: { position: 0, lanes: 1 }, value: joined });
    }
  }

  #start(result: number): V128 {
    const { reduce, dtype } = this.#context.nest.loop.results[result]!;
    return reductionStart(this.#context.s, reduce!, dtype);
  }

  #combine(result: number, target: Local<"v128">, value: V128): void {
    const { reduce, dtype } = this.#context.nest.loop.results[result]!;
    this.#context.s.f.set(target, combineLanes(reduce!, dtype, target, value));
  }
}

/** Vectors along the last reduced axis; one number per row. */
export function writeRows(context: LoopContext): void {
  const { s, nest, body, pointers } = context;
  const reduced = nest.loop.sizes.map((_, axis) => axis).slice(nest.loop.kept);
  const outer = reduced.slice(0, -1);
  const partial = new Accumulators(context, nest.unroll);
  const isLong = product(nest, reduced) > 4 * nest.unroll * partialLength;
  const total = isLong ? new Accumulators(context, nest.unroll) : undefined;
  walkAxes(context, { axes: outer, pointers }, (at) => {
    const moving = at.map((pointer) => s.f.i32(pointer));
    const invariants = body.invariants(moving);
    const pause = () => total?.absorb(partial);
    walkVectors(
      { ...context, pointers: moving },
      (vectors) => {
        s.f.interleave(
          vectors.map((position, index) => () => {
            const values = body.vector(moving, position, invariants);
            partial.take(index, values, position.lanes);
            body.storeElements(moving, position, values);
          }),
        );
      },
      { every: partialLength, pause },
    );
    pause();
  });
  (total ?? partial).storeTotals(pointers);
}

/** Vectors along the last kept axis; one number per lane. */
export function writeColumns(context: LoopContext): void {
  const { nest, body, pointers } = context;
  const reduced = nest.loop.sizes.map((_, axis) => axis).slice(nest.loop.kept);
  const isLong = product(nest, reduced) > 2 * partialLength;
  walkVectors(context, (vectors) => {
    const partial = new Accumulators(context, vectors.length);
    const total = isLong ? new Accumulators(context, vectors.length) : undefined;
    walkAxes(context, { axes: reduced, pointers, pause: total && (() => total.absorb(partial)) }, (at) => {
      const invariants = body.invariants(at);
      vectors.forEach((position, index) => {
        const values = body.vector(at, position, invariants);
        partial.take(index, values, position.lanes);
        body.storeElements(at, position, values);
      });
    });
    (total ?? partial).storeVectors(pointers, vectors);
  });
}

interface AxisWalk {
  readonly axes: readonly number[];
  readonly pointers: MovingPointers;
  /** Runs after each stretch of the last axis. */
  readonly pause?: (() => void) | undefined;
}

/** Nested loops over `axes`, with a set of pointers of their own. */
function walkAxes(context: LoopContext, walk: AxisWalk, write: (pointers: MovingPointers) => void): void {
  const [axis, ...inner] = walk.axes;
  if (axis === undefined) {
    write(walk.pointers);
    return;
  }
  const { f } = context.s;
  const { streams, loop } = context.nest;
  const moves = streams.map(({ steps }) => steps[axis] !== 0);
  const pointers = walk.pointers.map((pointer, stream) => (moves[stream] ? f.i32(pointer) : pointer));
  const turn = () => {
    walkAxes(context, { ...walk, axes: inner, pointers }, write);
    streams.forEach(({ steps }, stream) => {
      if (moves[stream]) f.increment(pointers[stream]!, steps[axis]!);
    });
  };
  const size = loop.sizes[axis]!;
  const { pause } = walk;
  if (inner.length > 0 || !pause) {
    f.for({ from: 0, to: size }, turn);
    return;
  }
  const stretches = Math.floor(size / partialLength);
  if (stretches > 0) {
    f.for({ from: 0, to: stretches }, () => {
      f.for({ from: 0, to: partialLength }, turn);
      pause();
    });
  }
  if (size % partialLength > 0) {
    f.for({ from: 0, to: size % partialLength }, turn);
    pause();
  }
}

function product({ loop }: LoopContext["nest"], axes: readonly number[]): number {
  return axes.reduce((size, axis) => size * loop.sizes[axis]!, 1);
}
