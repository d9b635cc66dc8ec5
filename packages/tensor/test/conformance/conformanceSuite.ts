/** The suite that every backend passes: each primitive, on all dtypes and awkward shapes, against the reference backend. */
import type { Backend, Executable, Primitive, Program, TensorData, TensorType } from "@weft/tensor";
import { isFloat, isResident, trace, typeText, valueTypes } from "@weft/tensor";
import { createReferenceBackend } from "@weft/tensor/reference";
import { describe, expect, it } from "vitest";
import { aliasSuite } from "./aliasSuite.ts";
import { transformationCases } from "./transformationCases.ts";
import type { Case, Tolerance, Value } from "./case.ts";
import { rounded } from "./case.ts";
import { contractionCases } from "./contractionCases.ts";
import { edgeCases } from "./edgeCases.ts";
import { elementwiseCases } from "./elementwiseCases.ts";
import { fusionCases } from "./fusionCases.ts";
import { halfCases } from "./halfCases.ts";
import { indexCases } from "./indexCases.ts";
import { movementCases } from "./movementCases.ts";
import { reductionCases } from "./reductionCases.ts";
import { scanCases } from "./scanCases.ts";
import { windowCases } from "./windowCases.ts";

const groups: Readonly<Record<string, readonly Case[]>> = {
  elementwise: elementwiseCases,
  "edge values": edgeCases,
  reductions: reductionCases,
  movement: movementCases,
  contractions: contractionCases,
  windows: windowCases,
  "indexing, sorting and random bits": indexCases,
  scan: scanCases,
  "calls and transformations": transformationCases,
  "fusion and graph shapes": fusionCases,
  f16: halfCases,
};

/** @param createBackend makes a fresh backend; called once */
export function conformanceSuite(name: string, createBackend: () => Backend): void {
  describe(`${name} backend`, () => {
    const backend = createBackend();
    for (const [group, cases] of Object.entries(groups)) {
      describe(group, () => {
        for (const each of cases) {
          it(`computes ${each.claim}`, async () => {
            for (const inputs of each.inputs) await check(backend, each, inputs);
          });
        }
      });
    }
    aliasSuite(backend);
  });
}

/** Names of all primitives that the cases use, scan bodies included. */
export function coveredPrimitives(): Set<Primitive> {
  const covered = new Set<Primitive>();
  const visit = ({ instructions }: Program) => {
    for (const { primitive, params } of instructions) {
      covered.add(primitive);
      if (primitive === "scan" || primitive === "call") visit(params.body);
    }
  };
  for (const each of Object.values(groups).flat()) {
    for (const inputs of each.inputs) visit(trace(each.fn, inputs));
  }
  return covered;
}

async function check(backend: Backend, each: Case, inputs: readonly Value[]): Promise<void> {
  const program = trace(each.fn, inputs);
  const data = inputs.map((input) => input.data);
  const before = data.map((elements) => elements.slice());
  const [expected, executable] = [await run(createReferenceBackend().compile(program), data), backend.compile(program)];
  const types = valueTypes(program);
  // Twice: the second run finds the memory of the first.
  for (const round of ["first", "second"]) {
    const got = await run(executable, data);
    expect(got.length).toBe(expected.length);
    expected.forEach((want, i) => {
      const type = types[program.outputs[i]!]!;
      const place = `${each.claim} of (${inputs.map(typeText).join(", ")}), result ${i} ${typeText(type)}, ${round} run`;
      compare(got[i]!, want, { ...each, type, place });
      // Fresh arrays: writing to a result reaches neither the inputs nor a later run.
      got[i]!.fill(77);
    });
    expect(data).toEqual(before);
  }
  executable.dispose();
}

async function run(executable: Executable, inputs: readonly TensorData[]): Promise<TensorData[]> {
  const results = await executable.run(inputs);
  return results.map((result) => (isResident(result) ? result.read() : result));
}

function compare(
  got: TensorData,
  want: TensorData,
  rule: { type: TensorType; place: string; tolerance?: Tolerance; signedZero?: boolean },
): void {
  const { type, place, tolerance = rounded, signedZero = false } = rule;
  expect(got.constructor, place).toBe(want.constructor);
  expect(got.length, place).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const [a, b] = [got[i]!, want[i]!];
    const zeros = a === 0 && b === 0 && (!signedZero || Object.is(a, b));
    const near = isFloat(type.dtype) && Math.abs(a - b) <= tolerance.relative * Math.abs(b) + tolerance.absolute;
    if (Object.is(a, b) || zeros || (near && b !== 0) || (near && !signedZero)) continue;
    const text = (value: number) => (Object.is(value, -0) ? "-0" : String(value));
    expect.fail(`${place}: element ${i} is ${text(a)}, the reference says ${text(b)}`);
  }
}
