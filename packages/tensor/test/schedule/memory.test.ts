/** The memory plan: values that are needed at the same time never share bytes, unless a step updates one in place. */
import type { MemoryRequest, MemoryStep } from "@weft/tensor";
import { planMemory } from "@weft/tensor";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

/** Straight-line programs over buffers: each step reads some earlier buffers and writes one new one. */
const requests: fc.Arbitrary<MemoryRequest> = fc
  .record({
    inputs: fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 1, maxLength: 4 }),
    steps: fc.array(
      fc.record({
        size: fc.integer({ min: 1, max: 300 }),
        reads: fc.array(fc.nat(40), { maxLength: 3 }),
        inPlace: fc.boolean(),
      }),
      { minLength: 1, maxLength: 15 },
    ),
    outputs: fc.array(fc.nat(40), { minLength: 1, maxLength: 3 }),
    constants: fc.array(fc.nat(3), { maxLength: 1 }),
    donate: fc.boolean(),
  })
  .map(({ inputs, steps, outputs, constants, donate }) => {
    const bytes = [...inputs];
    const planned = steps.map((step): MemoryStep => {
      const reads = [...new Set(step.reads.map((read) => read % bytes.length))];
      const size = step.inPlace && reads.length > 0 ? bytes[reads[0]!]! : step.size;
      const write = bytes.push(size) - 1;
      return { reads, writes: [write], inPlace: step.inPlace ? reads.map((read) => [write, read] as const) : [] };
    });
    const wanted = outputs.map((output) => output % bytes.length);
    const result = wanted[0]!;
    const target = inputs.findIndex(
      (size, i) => size === bytes[result] && !constants.includes(i) && !wanted.includes(i),
    );
    return {
      bytes,
      inputs: inputs.map((_, i) => i),
      constants: constants.map((constant) => constant % inputs.length),
      steps: planned,
      outputs: wanted,
      aliases: donate && target !== -1 && result >= inputs.length ? [[result, target]] : [],
    };
  });

/**
 * Runs the plan on real bytes: every buffer's bytes are a mark of its own. A value that is read must still carry its mark.
 */
function runMarked(request: MemoryRequest): void {
  const { offsets, bytes, copies } = planMemory(request);
  const memory = new Uint8Array(bytes);
  const at = (buffer: number) => memory.subarray(offsets[buffer], offsets[buffer]! + request.bytes[buffer]!);
  const write = (buffer: number) => at(buffer).fill(buffer + 1);
  const check = (buffer: number) =>
    expect(
      at(buffer).every((mark) => mark === buffer + 1),
      `buffer ${buffer}`,
    ).toBe(true);
  for (const buffer of request.inputs) write(buffer);
  for (const { reads, writes } of request.steps) {
    reads.forEach(check);
    writes.forEach(write);
  }
  request.outputs.forEach(check);
  request.constants.forEach(check);
  request.aliases.forEach(([output, input], alias) => {
    if (!copies.includes(alias)) expect(offsets[output]).toBe(offsets[input]);
  });
}

describe("the memory plan", () => {
  it("never loses a value before its last reader", () => {
    fc.assert(fc.property(requests, runMarked), { numRuns: 500 });
  });

  it("aligns every buffer to 64 bytes and keeps it inside the arena", () => {
    fc.assert(
      fc.property(requests, (request) => {
        const { offsets, bytes } = planMemory(request);
        offsets.forEach((offset, buffer) => {
          expect(offset % 64).toBe(0);
          const isUsed = [
            ...request.steps.flatMap(({ reads, writes }) => [...reads, ...writes]),
            ...request.inputs,
          ].includes(buffer);
          if (isUsed) expect(offset + request.bytes[buffer]!).toBeLessThanOrEqual(bytes);
        });
      }),
    );
  });

  it("reuses the bytes of values that are no longer needed", () => {
    const chain = Array.from({ length: 10 }, (_, i): MemoryStep => ({ reads: [i], writes: [i + 1], inPlace: [] }));
    const request = {
      bytes: Array<number>(11).fill(6400),
      inputs: [0],
      constants: [],
      steps: chain,
      outputs: [10],
      aliases: [],
    };
    expect(planMemory(request).bytes).toBe(12800);
  });

  it("updates in place where a step allows it", () => {
    const steps: MemoryStep[] = [{ reads: [0], writes: [1], inPlace: [[1, 0]] }];
    const request = { bytes: [640, 640], inputs: [0], constants: [], steps, outputs: [1], aliases: [] };
    expect(planMemory(request).bytes).toBe(640);
  });

  it("copies at the end a donated result that is made while its place is still read", () => {
    const steps: MemoryStep[] = [
      { reads: [0], writes: [1], inPlace: [] },
      { reads: [0, 1], writes: [2], inPlace: [] },
    ];
    const request: MemoryRequest = {
      bytes: [64, 64, 64],
      inputs: [0],
      constants: [],
      steps,
      outputs: [1, 2],
      aliases: [[1, 0]],
    };
    expect(planMemory(request).copies).toEqual([0]);
  });
});
