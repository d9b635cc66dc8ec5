/** Runs the golden vectors on a backend, as tests: one for each case. */
import type { Backend, TensorData, TensorType } from "@weft/tensor";
import { Tensor, adopt, arrayOf, grad, trace } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import type { GoldenCase, GoldenTensor, Operation, Results } from "./cases.ts";
import { goldenCases } from "./cases.ts";
import { higher } from "./higher.ts";
import { layers } from "./layers.ts";
import { operations } from "./operations.ts";

type Float = "f32" | "f64";

const known: Readonly<Record<string, Operation>> = { ...operations, ...layers, ...higher };

/** Cases that are not run, by name, each with its reason. */
const skipped: Readonly<Record<string, string>> = {};

type Operations = Readonly<Record<string, Operation>>;

/**
 * Registers a test for every case; in f32 results are held to the case's own tolerance, in f64 to 1e-9. Given other ways to
 * write some operations, the cases of these alone.
 */
export function runOperationVectors(
  backendName: string,
  backend: Backend,
  dtype: Float,
  operations: Operations = known,
): void {
  describe(`operation vectors on ${backendName} in ${dtype}`, () => {
    for (const golden of goldenCases.filter(({ op }) => operations === known || op in operations)) {
      const reason = skipped[golden.name];
      if (reason !== undefined) {
        it.skip(`${golden.name}: ${reason}`);
        continue;
      }
      it(`${golden.name} agrees with PyTorch`, async () => {
        await runCase(golden, operations[golden.op], { backend, dtype });
      });
    }
  });
}

/** A result to be compared: what it is, and what it should be. */
interface Expected {
  readonly what: string;
  readonly want: GoldenTensor;
}

async function runCase(
  golden: GoldenCase,
  operation: Operation | undefined,
  { backend, dtype }: { backend: Backend; dtype: Float },
): Promise<void> {
  if (!operation) throw new Error(`${golden.op} is not written yet; add it to operations.ts, or skip ${golden.name}`);
  const expected: Expected[] = [];
  const types = golden.inputs.map((input): TensorType => ({ shape: input.shape, dtype: input.dtype ?? dtype }));
  const program = trace((...inputs) => {
    const results = resultsOf(golden, operation, { inputs, dtype });
    expected.push(...results.map(({ what, want }) => ({ what, want })));
    return results.map(({ tensor }) => tensor);
  }, types);
  const executable = backend.compile(program);
  const outputs = await executable.run(golden.inputs.map((input, i) => elements(input, types[i]?.dtype ?? dtype)));
  executable.dispose();
  expected.forEach(({ what, want }, i) => {
    const got = outputs[i];
    if (!got || !ArrayBuffer.isView(got)) throw new Error(`no result for ${what}`);
    expectClose(`${golden.name}: ${what}`, [...got], { want: want.data, ...toleranceOf(golden, dtype) });
  });
}

/** Everything the case gives: output, extras, gradients and second derivatives, as graphs. */
function resultsOf(
  golden: GoldenCase,
  operation: Operation,
  { inputs, dtype }: { inputs: readonly Tensor[]; dtype: Float },
): (Expected & { tensor: Tensor })[] {
  const apply = (operands: readonly Tensor[]): Results => {
    const result = operation(operands, golden.attrs);
    return result instanceof Tensor ? { output: result } : result;
  };
  const { output, extra = {} } = apply(inputs);
  const list = [{ what: "output", want: golden.output, tensor: output }];
  for (const [name, want] of Object.entries(golden.extra ?? {})) {
    const tensor = extra[name];
    if (!tensor) throw new Error(`${golden.op} does not give ${name}`);
    list.push({ what: name, want, tensor });
  }
  const { cotangent, second } = golden;
  if (cotangent) {
    const asked = positions(golden.grads);
    const scalar = (...operands: Tensor[]) => apply(operands).output.mul(tensorOf(cotangent, dtype)).sum();
    const gradients = (...operands: Tensor[]) => grad(scalar, { argument: asked })(...operands);
    gradients(...inputs).forEach((tensor, i) => {
      const input = asked[i] ?? 0;
      list.push({ what: `gradient ${input}`, want: golden.grads[input] as GoldenTensor, tensor });
    });
    if (second) {
      const squares = (...operands: Tensor[]) =>
        gradients(...operands)
          .map((gradient) => gradient.square().sum())
          .reduce((sum, term) => sum.add(term));
      list.push({ what: "second value", want: { shape: [], data: [second.value] }, tensor: squares(...inputs) });
      const askedTwice = positions(second.grads);
      grad(squares, { argument: askedTwice })(...inputs).forEach((tensor, i) => {
        const input = askedTwice[i] ?? 0;
        list.push({ what: `second gradient ${input}`, want: second.grads[input] as GoldenTensor, tensor });
      });
    }
  }
  for (const { what, want, tensor } of list)
    expect(tensor.shape, `${golden.name}: shape of ${what}`).toEqual(want.shape);
  return list;
}

const positions = (grads: readonly (GoldenTensor | null)[]) => [...grads.keys()].filter((i) => grads[i] !== null);

const elements = ({ data }: GoldenTensor, dtype: TensorType["dtype"]): TensorData => new arrayOf[dtype](data);

const tensorOf = (golden: GoldenTensor, dtype: Float): Tensor =>
  adopt(elements(golden, golden.dtype ?? dtype), { shape: golden.shape, dtype: golden.dtype ?? dtype });

interface Tolerance {
  readonly relative: number;
  readonly absolute: number;
  /** Relative to each element instead of the largest. */
  readonly byElement: boolean;
}

const toleranceOf = ({ compare, tol_f32, atol_f32 }: GoldenCase, dtype: Float): Tolerance => ({
  relative: dtype === "f64" ? 1e-9 : tol_f32,
  absolute: dtype === "f64" ? 1e-12 : atol_f32,
  byElement: compare === "element",
});

function expectClose(
  what: string,
  got: readonly number[],
  { want, ...tolerance }: Tolerance & { want: readonly number[] },
): void {
  expect(got.length, what).toBe(want.length);
  const largest = Math.max(0, ...want.map(Math.abs));
  got.forEach((value, i) => {
    const exact = want[i] ?? NaN;
    const allowed = tolerance.relative * (tolerance.byElement ? Math.abs(exact) : largest) + tolerance.absolute;
    expect(Number.isFinite(value), `${what}, element ${i} is ${value}`).toBe(true);
    expect(Math.abs(value - exact), `${what}, element ${i}: ${value} against ${exact}`).toBeLessThanOrEqual(allowed);
  });
}
