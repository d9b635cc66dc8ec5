/** Walks the vector axis of a loop: blocks of a few vectors, then what is left over. */
import type { Expression } from "@weft/emitter";
import { i32 } from "@weft/emitter";
import type { LoopBody, MovingPointers, VectorPosition } from "./loopBody.ts";
import type { Nest } from "./nest.ts";
import type { VectorScope } from "./vectorScope.ts";

export interface LoopContext {
  readonly s: VectorScope;
  readonly nest: Nest;
  readonly body: LoopBody;
  /** At the start of the walk; advanced as it goes on. */
  readonly pointers: MovingPointers;
  /** Number of the row. */
  readonly row: Expression<"i32">;
  /** Part of the vector axis to walk, from a multiple of a block; undefined for all of it. */
  readonly span: { readonly start: Expression<"i32">; readonly end: Expression<"i32"> } | undefined;
}

/** A loop without reductions. */
export function writeMap(context: LoopContext): void {
  const { body, pointers } = context;
  const invariants = body.invariants(pointers);
  walkVectors(context, (vectors) => {
    context.s.f.interleave(
      vectors.map((at) => () => body.storeElements(pointers, at, body.vector(pointers, at, invariants))),
    );
  });
}

/**
 * Writes a loop over blocks of `unroll` vectors and the code for the remainder. `pauseEvery` blocks the loop lets `pause`
 * run (and once more after the last of them).
 */
export function walkVectors(
  context: LoopContext,
  write: (vectors: readonly VectorPosition[]) => void,
  pauses?: { readonly every: number; readonly pause: () => void },
): void {
  const { s, nest, span } = context;
  const { f } = s;
  const block = 4 * nest.unroll;
  const length = nest.loop.sizes[nest.vectorAxis]!;
  const writeBlock = () => {
    write(Array.from({ length: nest.unroll }, (_, u) => ({ position: 4 * u, lanes: 4 })));
    advance(context, block);
  };
  const blocks = Math.floor(length / block);
  if (span) {
    const count = f.i32(i32.divU(i32.sub(span.end, span.start), block));
    f.for({ from: 0, to: count }, writeBlock);
  } else if (pauses && blocks > pauses.every) {
    f.for({ from: 0, to: Math.floor(blocks / pauses.every) }, () => {
      f.for({ from: 0, to: pauses.every }, writeBlock);
      pauses.pause();
    });
    if (blocks % pauses.every > 0) f.for({ from: 0, to: blocks % pauses.every }, writeBlock);
  } else if (blocks > 1) {
    f.for({ from: 0, to: blocks }, writeBlock);
  } else if (blocks === 1) {
    writeBlock();
  }
  const left = length % block;
  if (left === 0) return;
  const vectors = Array.from({ length: Math.ceil(left / 4) }, (_, u) => ({
    position: 4 * u,
    lanes: Math.min(4, left - 4 * u),
  }));
  if (span) f.if(i32.eq(span.end, length), () => write(vectors));
  else write(vectors);
}

function advance({ s, nest, pointers }: LoopContext, elements: number): void {
  nest.streams.forEach(({ steps }, stream) => {
    const step = steps[nest.vectorAxis]!;
    if (step !== 0) s.f.increment(pointers[stream]!, step * elements);
  });
}
