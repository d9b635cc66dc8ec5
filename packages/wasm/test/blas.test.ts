/** Native BLAS: what it computes is what the WebAssembly kernels compute, and nothing happens where there is none. */
import type { Backend, ConvParams, DotParams, Instruction, Program, Shape, TensorData } from "@weft/tensor";
import { sizeOf } from "@weft/tensor";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { conformanceSuite } from "../../tensor/test/conformance/conformanceSuite.ts";
import { createBackend } from "../src/backend.ts";
import { BlasError, createWasmBackend } from "../src/index.ts";
import { contractionOf } from "../src/kernels/contraction.ts";
import { nativeDot } from "../src/kernels/dotNative.ts";
import { findBlas as findNoBlas } from "../src/native/noBlas.ts";
import { findBlas } from "../src/native/systemBlas.ts";
import { randomFloats } from "./randomData.ts";

const library = findBlas("auto");
const isMissing = library === undefined;
const where = isMissing ? " (skipped: this machine has no BLAS library)" : ` (${library.name})`;

/** A program of one instruction with a single result. */
function single(
  instruction: Pick<Instruction, "primitive" | "params">,
  inputs: readonly Shape[],
  result: Shape,
): Program {
  const only = { ...instruction, inputs: inputs.map((_, i) => i), outputs: [{ shape: result, dtype: "f32" }] };
  return {
    inputs: inputs.map((shape) => ({ shape, dtype: "f32" })),
    literals: [],
    instructions: [only as Instruction],
    outputs: [inputs.length],
  };
}

const native = isMissing ? undefined : createBackend({ blas: "auto", blasForAll: true });
const wasm = createWasmBackend();

/** Both backends' results differ by at most a part in 100,000 of the largest. */
function expectSame(program: Program): void {
  const inputs = program.inputs.map(({ shape }, i) => randomFloats(sizeOf(shape), i + 1));
  const [got, want] = [native!, wasm].map((backend) => {
    const executable = backend.compile(program);
    const [values] = executable.run(inputs) as Float32Array[];
    executable.dispose();
    return values!;
  }) as [Float32Array, Float32Array];
  expect(got.length).toBe(want.length);
  const largest = want.reduce((max, value) => Math.max(max, Math.abs(value)), 1);
  want.forEach((value, i) => {
    if (!(Math.abs(got[i]! - value) <= 1e-5 * largest)) expect.fail(`element ${i}: ${got[i]!}, expected ${value}`);
  });
}

function dot([lhs, rhs]: readonly [Shape, Shape], params: DotParams): Program {
  const free = (shape: Shape, used: readonly number[]) => shape.filter((_, axis) => !used.includes(axis));
  const result = [
    ...params.lhsBatch.map((axis) => lhs[axis]!),
    ...free(lhs, [...params.lhsBatch, ...params.lhsContract]),
    ...free(rhs, [...params.rhsBatch, ...params.rhsContract]),
  ];
  return single({ primitive: "dot", params }, [lhs, rhs], result);
}

/** Batches of m × k times k × n, each side stored one way or the other, the batch axis outside or in the middle. */
const products = fc
  .record({
    m: fc.integer({ min: 1, max: 90 }),
    n: fc.integer({ min: 1, max: 90 }),
    k: fc.integer({ min: 1, max: 90 }),
    batch: fc.integer({ min: 1, max: 4 }),
    turnLeft: fc.boolean(),
    turnRight: fc.boolean(),
    batchInside: fc.boolean(),
  })
  .map(({ m, n, k, batch, turnLeft, turnRight, batchInside }) => {
    const side = (outer: number, inner: number): Shape => (batchInside ? [outer, batch, inner] : [batch, outer, inner]);
    const [first, last, batchAxis] = batchInside ? [0, 2, 1] : [1, 2, 0];
    return dot([turnLeft ? side(k, m) : side(m, k), turnRight ? side(n, k) : side(k, n)], {
      lhsBatch: [batchAxis],
      rhsBatch: [batchAxis],
      lhsContract: [turnLeft ? first : last],
      rhsContract: [turnRight ? last : first],
    });
  });

const axis = fc.record({
  size: fc.integer({ min: 1, max: 9 }),
  taps: fc.integer({ min: 1, max: 4 }),
  dilation: fc.integer({ min: 1, max: 2 }),
  low: fc.integer({ min: -1, max: 3 }),
  high: fc.integer({ min: 0, max: 3 }),
});

const convolutions = fc
  .record({
    axes: fc.array(axis, { minLength: 1, maxLength: 2 }),
    batch: fc.integer({ min: 1, max: 3 }),
    channelsIn: fc.integer({ min: 1, max: 9 }),
    channelsOut: fc.integer({ min: 1, max: 9 }),
  })
  .map(({ axes, batch, channelsIn, channelsOut }) => {
    const results = axes.map(({ size, taps, dilation, low, high }) => size + low + high - (taps - 1) * dilation);
    const params: ConvParams = {
      strides: axes.map(() => 1),
      padding: axes.map(({ low, high }): [number, number] => [low, high]),
      dilation: axes.map(({ dilation }) => dilation),
      groups: 1,
    };
    const sizes = axes.map(({ size }) => size);
    const taps = axes.map((each) => each.taps);
    return {
      isPossible: results.every((size) => size > 0) && axes.every(({ size, low }) => size + low > 0),
      params,
      sizes,
      taps,
      x: [batch, ...sizes, channelsIn],
      kernel: [...taps, channelsIn, channelsOut],
      y: [batch, ...results, channelsOut],
    };
  })
  .filter(({ isPossible }) => isPossible);

describe.skipIf(isMissing)(`native BLAS${where}`, () => {
  it.skipIf(!hasPrebuilt)(
    "is called through koffi's binary alone, without koffi's JavaScript (needs a prebuilt one)",
    () => {
      expect(library!.files.koffi).toMatch(/linux_\w+[\\/]koffi\.node$/);
    },
  );

  it("multiplies as the WebAssembly kernels do, whatever the layout and batch", () => {
    fc.assert(fc.property(products, expectSame), { numRuns: 150 });
  });

  it.each([
    [10, 1030, 300],
    [1030, 10, 300],
    [700, 250, 10],
    [9, 130, 3000],
    [200, 300, 250],
  ])("multiplies %i × %i products of depth %i, which are divided", (m, n, k) => {
    expectSame(dot([[m, k], [k, n]], { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] })); // prettier-ignore
    expectSame(dot([[k, m], [n, k]], { lhsBatch: [], rhsBatch: [], lhsContract: [0], rhsContract: [1] })); // prettier-ignore
  });

  it("takes several axes for one: rows and columns in blocks, contracted ones as a sum", () => {
    // prettier-ignore
    const cases: [Shape, Shape, DotParams][] = [
      [[20, 6, 17], [6, 20, 23], { lhsBatch: [], rhsBatch: [], lhsContract: [1, 0], rhsContract: [0, 1] }],
      [[5, 19, 7], [19, 33], { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }],
      [[21, 19], [4, 19, 9], { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [1] }],
      [[3, 8, 4, 16], [3, 16, 4, 8], { lhsBatch: [0, 2], rhsBatch: [0, 2], lhsContract: [3], rhsContract: [1] }],
      [[3, 5, 8, 9], [9, 8, 5, 3], { lhsBatch: [], rhsBatch: [], lhsContract: [1, 3], rhsContract: [2, 0] }],
    ];
    for (const [lhs, rhs, params] of cases) expectSame(dot([lhs, rhs], params));
  });

  it("convolves as the WebAssembly kernels do, forward and backward", () => {
    const property = fc.property(convolutions, ({ params, sizes, taps, x, kernel, y }) => {
      expectSame(single({ primitive: "conv", params }, [x, kernel], y));
      const backward = { ...params, inputSpatial: sizes };
      expectSame(single({ primitive: "convInputGradient", params: backward }, [y, kernel], x));
      const toKernel = { ...params, kernelSpatial: taps };
      expectSame(single({ primitive: "convKernelGradient", params: toKernel }, [x, y], kernel));
    });
    fc.assert(property, { numRuns: 60 });
  });

  it("goes on when the memory has grown", () => {
    const backend = createBackend({ blas: "auto", blasForAll: true });
    const program = dot([[8, 8], [8, 8]], { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }); // prettier-ignore
    const inputs = [randomFloats(64, 1), randomFloats(64, 2)];
    const executable = backend.compile(program);
    const [before] = executable.run(inputs) as TensorData[];
    const side = 2000;
    backend.compile(dot([[side, side], [side, 1]], { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] })); // prettier-ignore
    expect((executable.run(inputs) as TensorData[])[0]).toEqual(before);
  });

  it("the backend says what it uses", () => {
    expect(createWasmBackend({ blas: "auto" }).name).toBe(`wasm, ${library!.name}`);
    expect(createWasmBackend().name).toBe("wasm");
  });

  it("threads share the products, to the same bits", () => {
    const threaded = createBackend({ blas: "auto", threads: 2, worthMs: 0 });
    for (const [m, n, k] of [
      [300, 200, 260],
      [10, 1030, 300],
    ] as const) {
      const program = dot([[m, k], [k, n]], { lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }); // prettier-ignore
      const inputs = [randomFloats(m * k, 1), randomFloats(k * n, 2)];
      const run = (backend: Backend) => (backend.compile(program).run(inputs) as Float32Array[])[0]!;
      expect(run(threaded)).toEqual(run(native!));
    }
    expect(threaded.threads).toBe(2);
    threaded.dispose();
  });

  conformanceSuite("wasm with native BLAS", () => native!);
});

describe("products for BLAS", () => {
  const contraction = (m: number, n: number, k: number) =>
    contractionOf({ lhsBatch: [], rhsBatch: [], lhsContract: [1], rhsContract: [0] }, [
      { shape: [m, k], dtype: "f32" },
      { shape: [k, n], dtype: "f32" },
    ]);

  it("small products and products of single vectors are left to WebAssembly", () => {
    expect(nativeDot(contraction(16, 16, 16), {})).toBeUndefined();
    expect(nativeDot(contraction(1, 512, 512), {})).toBeUndefined();
    expect(nativeDot(contraction(64, 64, 64), {})?.tiles).toBe(1);
  });

  it("a large product is divided by its shape alone, so that threads change no bits", () => {
    expect(nativeDot(contraction(512, 512, 512), {})?.tiles).toBe(2);
    expect(nativeDot(contraction(4096, 128, 128), {})?.tiles).toBe(16);
  });
});

/** Where koffi's prebuilt binaries for glibc serve. */
const hasPrebuilt =
  process.platform === "linux" &&
  ["x64", "arm64"].includes(process.arch) &&
  "glibcVersionRuntime" in (process.report.getReport() as { header: object }).header;

describe("choosing a library", () => {
  afterEach(() => vi.unstubAllEnvs());

  it("one that is named and absent is an error that says what to do", () => {
    const open = () => createWasmBackend({ blas: "/nowhere/libnothing.so" });
    expect(open).toThrow(BlasError);
    expect(open).toThrow("/nowhere/libnothing.so");
    vi.stubEnv("WEFT_BLAS", "/nowhere/libnothing.so");
    expect(() => createWasmBackend({ blas: "auto" })).toThrow("WEFT_BLAS=off");
  });

  it("WEFT_BLAS=off does without", () => {
    vi.stubEnv("WEFT_BLAS", "off");
    expect(findBlas("auto")).toBeUndefined();
    expect(createWasmBackend({ blas: "auto" }).name).toBe("wasm");
  });

  it("where native code cannot be called there is none, and naming one is an error", () => {
    expect(findNoBlas("auto")).toBeUndefined();
    expect(() => findNoBlas("/usr/lib/libopenblas.so")).toThrow(BlasError);
  });
});
