/** Which elements of the shared vector the server optimiser steps, and how the others follow. */
import type { JobDocument } from "@weft/protocol";
import { sizeOf } from "@weft/tensor";
import type { Manifest } from "@weft/vector";

export interface ModelLayout {
  /** Elements from the front that the optimiser steps; what follows are control variates. */
  readonly stepped: number;
  /** Runs of running statistics among them, which are not stepped after all: they become the mean of the workers'. */
  readonly averaged: readonly { readonly start: number; readonly end: number }[];
  /** Whether the server remembers the mean of all changes, as FedDyn does. */
  readonly remembers: boolean;
}

export const plainLayout = (size: number): ModelLayout => ({ stepped: size, averaged: [], remembers: false });

/** Whether the optimiser steps every element, so that none of them need leave the backend's memory. */
export const isPlain = ({ stepped, averaged }: ModelLayout, size: number): boolean =>
  stepped === size && averaged.length === 0;

export function layoutOf({ round: { work } }: JobDocument, { entries, size }: Manifest): ModelLayout {
  return {
    stepped: entries.find(({ kind }) => kind === "control")?.offset ?? size,
    averaged: entries
      .filter(({ kind }) => kind === "statistic")
      .map(({ offset, shape }) => ({ start: offset, end: offset + sizeOf(shape) })),
    remembers: work.kind === "local" && work.correction?.kind === "feddyn",
  };
}
