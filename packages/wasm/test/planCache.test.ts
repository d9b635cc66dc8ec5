/** Programs that were compiled before are not scheduled again, and share nothing that one of them could spoil. */
import type { Program, Resident, Tensor } from "@weft/tensor";
import { checkpoint, scan, tensor, trace } from "@weft/tensor";
import { decode, encode } from "@weft/tensor/programs";
import { expect, it } from "vitest";
import { createWasmBackend } from "../src/index.ts";
import { compilePlan } from "../src/compile.ts";
import { kernelTable } from "../src/kernelTable.ts";
import { PlanCache } from "../src/planCache.ts";

const type = { shape: [3], dtype: "f32" } as const;
const scaled = (factor: number) => trace((x) => x.mul(factor).exp(), [type]);
const shifted = (values: number[]) => trace((x) => x.add(tensor(values)), [type]);
const copyOf = (program: Program) => decode(encode(program));
const none = new Map<number, number>();

/** A cache, and how many plans it had to have made. */
function counted(size?: number) {
  const cache = new PlanCache(size);
  const made: Program[] = [];
  const get = (program: Program, aliases: ReadonlyMap<number, number> = none) =>
    cache.get(program, aliases, () => {
      made.push(program);
      return compilePlan(program, { aliases, kernels: kernelTable({ relaxed: false }) });
    });
  return { get, made };
}

it("an equal program has the plan of the first", () => {
  const { get, made } = counted();
  const program = scaled(2);
  const plan = get(program);
  expect(get(program)).toBe(plan);
  expect(get(copyOf(program))).toBe(plan);
  expect(get(scaled(2))).toBe(plan);
  expect(made).toHaveLength(1);
});

it("programs that differ in a constant, the sign of a zero, known data or donated inputs have plans of their own", () => {
  const { get } = counted();
  const plans = [
    get(scaled(2)),
    get(scaled(3)),
    get(scaled(0)),
    get(scaled(-0)),
    get(shifted([1, 2, 3])),
    get(shifted([1, 2, 4])),
    get(shifted([1, 2, 0])),
    get(shifted([1, 2, -0])),
    get(scaled(2), new Map([[0, 0]])),
  ];
  expect(new Set(plans).size).toBe(plans.length);
});

it("what loops and calls hold tells programs apart", () => {
  const { get } = counted();
  const called = (factor: number) => trace((x) => checkpoint((y: Tensor) => y.mul(factor).exp())(x), [type]);
  const repeated = (factor: number) =>
    trace((x) => scan((total, slice: Tensor) => [total.add(slice.mul(factor)), total], tensor(0), x)[1], [type]);
  const plans = [called(2), called(Infinity), called(-Infinity), repeated(2), repeated(3)].map((program) =>
    get(program),
  );
  expect(new Set(plans).size).toBe(plans.length);
});

it("a convolution that crops by negative padding is compiled", () => {
  const negative: [number, number] = [-1, -1];
  const program: Program = {
    inputs: [
      { shape: [1, 3, 3, 1], dtype: "f32" },
      { shape: [1, 1, 1, 1], dtype: "f32" },
    ],
    literals: [],
    instructions: [
      {
        primitive: "conv",
        params: { strides: [1, 1], padding: [negative, negative], dilation: [1, 1], groups: 1 },
        inputs: [0, 1],
        outputs: [{ shape: [1, 1, 1, 1], dtype: "f32" }],
      },
    ],
    outputs: [2],
  };
  const [result] = createWasmBackend()
    .compile(program)
    .run([new Float32Array([1, 2, 3, 4, 5, 6, 7, 8, 9]), new Float32Array([2])]) as [Float32Array];
  expect([...result]).toEqual([10]);
});

it("the plan that was not used for longest goes first", () => {
  const { get, made } = counted(2);
  get(scaled(1));
  get(scaled(2));
  get(scaled(1));
  get(scaled(3));
  get(scaled(1));
  expect(made).toHaveLength(3);
  get(scaled(2));
  expect(made).toHaveLength(4);
});

it("programs with much known data are not kept", () => {
  const { get, made } = counted();
  const large = trace((x) => x.add(tensor(new Float32Array(100_000))), [{ shape: [100_000], dtype: "f32" }]);
  get(large);
  get(large);
  expect(made).toHaveLength(2);
});

it.each([1, 2])("executables of one plan keep apart, on %i threads", (threads) => {
  const backend = createWasmBackend({ threads });
  const size = 96;
  const matrix = { shape: [size, size], dtype: "f32" } as const;
  const program = trace((w, x) => w.add(w.matmul(x).mul(1 / size)), [matrix, matrix]);
  const filled = (value: number) => new Float32Array(size * size).fill(value);
  const compiled = (one: Program) => {
    const executable = backend.compile(one, { aliases: new Map([[0, 0]]) });
    return {
      /** Takes w to w + w·x / size and leaves it in place: w (1 + x) for filled matrices. */
      run: (w: number, x: number) => executable.run([filled(w), filled(x)]) as [Resident],
      dispose: () => executable.dispose(),
    };
  };
  const [first, second] = [compiled(program), compiled(copyOf(program))];
  const [kept] = first.run(2, 0.5);
  const [other] = second.run(4, 1);
  expect(new Set(kept.read())).toEqual(new Set([3]));
  expect(new Set(other.read())).toEqual(new Set([8]));
  first.dispose();
  expect(new Set(second.run(8, 0.25)[0].read())).toEqual(new Set([10]));
  second.dispose();
  expect(new Set(compiled(program).run(1, 1)[0].read())).toEqual(new Set([2]));
  backend.dispose();
});
