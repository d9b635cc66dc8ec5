/** Which elements of the shared vector the server optimiser steps, and how the others follow. */
import { type JobDocument, sharedFragments } from "@weft/protocol";
import { sizeOf } from "@weft/tensor";
import type { Manifest } from "@weft/vector";

export interface ElementRange {
  readonly start: number;
  readonly end: number;
}

export interface ModelLayout {
  /** Elements from the front that the optimiser steps; what follows are control variates. */
  readonly stepped: number;
  /** Runs of running statistics among them, which are not stepped after all: they become the mean of the workers'. */
  readonly averaged: readonly ElementRange[];
  /** Whether the server remembers the mean of all changes, as FedDyn does. */
  readonly remembers: boolean;
  /** The parts that rounds step by turns, which make up the vector; one unless the job streams. */
  readonly fragments: readonly ElementRange[];
}

export const plainLayout = (size: number): ModelLayout => ({
  stepped: size,
  averaged: [],
  remembers: false,
  fragments: [{ start: 0, end: size }],
});

/** Whether the optimiser steps every element, so that none of them need leave the backend's memory. */
export const isPlain = ({ stepped, averaged, fragments }: ModelLayout, size: number): boolean =>
  stepped === size && averaged.length === 0 && fragments.length === 1;

export function layoutOf(document: JobDocument, { entries, size }: Manifest): ModelLayout {
  const { work } = document.round;
  return {
    stepped: entries.find(({ kind }) => kind === "control")?.offset ?? size,
    averaged: entries
      .filter(({ kind }) => kind === "statistic")
      .map(({ offset, shape }) => ({ start: offset, end: offset + sizeOf(shape) })),
    remembers: work.kind === "local" && work.correction?.kind === "feddyn",
    fragments: fragmentsOf(document),
  };
}

function fragmentsOf(document: JobDocument): ElementRange[] {
  let end = 0;
  return sharedFragments(document).map((parameters) => {
    const start = end;
    for (const { shape } of parameters) end += sizeOf(shape);
    return { start, end };
  });
}
