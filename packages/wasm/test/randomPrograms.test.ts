/** Random programs give the reference's values, on first and later runs, and in donated memory. */
import type { Program, Resident, TensorData } from "@weft/tensor";
import { isResident } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import fc from "fast-check";
import { expect, it } from "vitest";
import { randomHalfPrograms, randomPrograms } from "../../tensor/test/schedule/randomProgram.ts";
import { createWasmBackend } from "../src/index.ts";

const backend = createWasmBackend();

function expectNear(got: readonly TensorData[], want: readonly TensorData[], tolerance = 2e-5): void {
  expect(got.length).toBe(want.length);
  want.forEach((values, output) => {
    expect(got[output]!.length).toBe(values.length);
    values.forEach((value, i) => {
      expect(Math.abs(got[output]![i]! - value), `output ${output}, element ${i}`).toBeLessThanOrEqual(tolerance);
    });
  });
}

const reference = (program: Program, inputs: readonly TensorData[]) =>
  createReferenceBackend().compile(program).run(inputs) as TensorData[];

it("random programs compute what the reference computes, run after run", () => {
  fc.assert(
    fc.property(randomPrograms, ({ program, inputs }) => {
      const executable = backend.compile(program);
      const want = reference(program, inputs);
      for (let run = 0; run < 2; run++) expectNear(executable.run(inputs) as TensorData[], want);
      executable.dispose();
    }),
  );
});

it("random programs in f16 round where the reference rounds", () => {
  fc.assert(
    fc.property(randomHalfPrograms, ({ program, inputs }) => {
      const executable = backend.compile(program);
      // A last place of f16, a few times over; most results have not one bit that differs.
      expectNear(executable.run(inputs) as TensorData[], reference(program, inputs), 2 ** -8);
      executable.dispose();
    }),
  );
});

it("random programs compute the same when results take the place of inputs", () => {
  fc.assert(
    fc.property(randomPrograms, fc.nat(9), ({ program, inputs }, choice) => {
      // The first output of some input's type is left in that input's place.
      const want = reference(program, inputs);
      const candidates = want.flatMap((values, output) =>
        inputs.flatMap((input, i) => (input.length === values.length ? [[output, i] as const] : [])),
      );
      const pair = candidates[choice % Math.max(1, candidates.length)];
      const executable = backend.compile(program, { aliases: new Map(pair ? [pair] : []) });
      for (let run = 0; run < 2; run++) {
        const results = executable.run(inputs) as (TensorData | Resident)[];
        expectNear(
          results.map((result) => (isResident(result) ? result.read() : result)),
          want,
        );
      }
      executable.dispose();
    }),
  );
});
