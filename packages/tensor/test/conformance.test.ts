/** The reference backend passes its own suite: every case traces and runs, twice, and the cases leave no primitive out. */
import type { Primitive } from "@weft/tensor";
import { binaryNames, bitwiseNames, unaryNames } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import type { BinaryPrimitive, BitwisePrimitive, UnaryPrimitive } from "@weft/tensor";
import { expect, it } from "vitest";
import { conformanceSuite, coveredPrimitives } from "./conformance/conformanceSuite.ts";

conformanceSuite("reference", createReferenceBackend);

/** A new primitive does not compile until it stands here. */
const others: Record<Exclude<Primitive, UnaryPrimitive | BinaryPrimitive | BitwisePrimitive>, true> = {
  constant: true,
  iota: true,
  randomBits: true,
  stopGradient: true,
  not: true,
  compare: true,
  select: true,
  cast: true,
  sum: true,
  reduceMax: true,
  argmax: true,
  reshape: true,
  transpose: true,
  broadcast: true,
  slice: true,
  pad: true,
  concat: true,
  reverse: true,
  dot: true,
  conv: true,
  convInputGradient: true,
  convKernelGradient: true,
  windowMax: true,
  windowSum: true,
  windowScatter: true,
  windowGather: true,
  gather: true,
  scatterAdd: true,
  argsort: true,
  cumsum: true,
  scan: true,
  call: true,
};

it("the conformance suite covers every primitive", () => {
  const all = [...unaryNames, ...binaryNames, ...bitwiseNames, ...Object.keys(others)];
  expect([...coveredPrimitives()].toSorted()).toEqual(all.toSorted());
});
