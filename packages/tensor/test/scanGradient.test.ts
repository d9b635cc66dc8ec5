/** What a loop and its gradient are made of: what leaves the loop, what is kept, and that the numbers stay those of the steps. */
import type { Instruction, Program, Tensor, TensorType } from "@weft/tensor";
import { apply, conv1d, embedding, grad, scan, simplify, stack, trace, valueAndGrad, vmap, zeros } from "@weft/tensor";
import { cost, decode, describe as textOf, encode } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";
import { executableOf, numbers } from "./transformRun.ts";
import { seeded } from "./transformSamples.ts";

const f64 = (...shape: number[]): TensorType => ({ shape, dtype: "f64" });
type Step = (carry: Tensor, x: Tensor) => readonly [carry: Tensor, output: Tensor];
type Loop = (step: Step, start: Tensor, xs: Tensor) => readonly [carry: Tensor, outputs: Tensor];

/** What `scan` stands for. */
const writtenOut: Loop = (step, start, xs) => {
  let carry = start;
  const outputs = Array.from({ length: xs.shape[0] ?? 0 }, (_, i) => {
    const [next, output] = step(carry, xs.at(i));
    carry = next;
    return output;
  });
  return [carry, stack(outputs)];
};

/** An LSTM of 4 units on [time, 2, 3], h and c side by side in the carry. */
const lstm =
  (loop: Loop) =>
  (wx: Tensor, wh: Tensor, b: Tensor, xs: Tensor): Tensor => {
    const step: Step = (carry, x) => {
      const [h, c] = [carry.at(0), carry.at(1)];
      const z = x.matmul(wx).add(h.matmul(wh)).add(b);
      const gate = (i: number) => z.at(null, [i * 4, i * 4 + 4]);
      const next = gate(1)
        .sigmoid()
        .mul(c)
        .add(gate(0).sigmoid().mul(gate(2).tanh()));
      const out = gate(3).sigmoid().mul(next.tanh());
      return [stack([out, next]), out];
    };
    const [last, all] = loop(step, zeros([2, 2, 4], { dtype: "f64" }), xs);
    return all.square().sum().add(last.sum());
  };
const lstmTypes = [f64(3, 16), f64(4, 16), f64(16), f64(5, 2, 3)];

const dataFor = (types: readonly TensorType[]) =>
  types.map(({ shape, dtype }, i) => numbers(shape, seeded(i + 3), dtype));

function expectSame(
  types: readonly TensorType[],
  got: (...x: Tensor[]) => Tensor[],
  want: (...x: Tensor[]) => Tensor[],
) {
  const inputs = dataFor(types);
  const expected = executableOf(want, types)(inputs);
  executableOf(
    got,
    types,
  )(inputs).forEach((result, i) => {
    result.forEach((value, j) => expect(value).toBeCloseTo(expected[i]?.[j] ?? NaN, 9));
  });
}

/** Gradients by all arguments that are floats. */
const gradients =
  (fn: (...x: Tensor[]) => Tensor) =>
  (...x: Tensor[]): Tensor[] => {
    const argument = [...x.keys()].filter((i) => x[i]?.dtype === "f64");
    const [value, all] = valueAndGrad(fn, { argument })(...x);
    return [value, ...all];
  };
/** Gradients of a scalar made of the gradients. */
const secondGradients = (fn: (...x: Tensor[]) => Tensor) =>
  gradients((...x) =>
    gradients(fn)(...x)
      .map((g) => g.mul(g).sum())
      .reduce((sum, term) => sum.add(term)),
  );

const ofKind = ({ instructions }: Program, ...kinds: Instruction["primitive"][]) =>
  instructions.filter(({ primitive }) => kinds.includes(primitive));
const loopsOf = (program: Program) =>
  program.instructions.flatMap((instruction) => (instruction.primitive === "scan" ? [instruction] : []));

describe("the gradient of a recurrent layer", () => {
  const program = simplify(trace(gradients(lstm(scan)), lstmTypes));
  const [forward, backward] = loopsOf(program);

  it("equals that of the steps written out, to second order", () => {
    expectSame(lstmTypes, gradients(lstm(scan)), gradients(lstm(writtenOut)));
    expectSame(lstmTypes, secondGradients(lstm(scan)), secondGradients(lstm(writtenOut)));
  });

  it("is two loops with one product each; those with the input, and all over time, are outside and done once", () => {
    expect(loopsOf(program).length).toBe(2);
    expect(ofKind(forward!.params.body, "dot").length).toBe(1);
    expect(ofKind(backward!.params.body, "dot").length).toBe(1);
    expect(
      textOf(program)
        .split("\n")
        .filter((line) => /^%.* (dot|sum) /.test(line)),
    ).toMatchInlineSnapshot(`
      [
        "%5 f64[5,2,16] = dot %3 %0 {lhsContract: [2], rhsContract: [0]}",
        "%15 f64[] = sum %14 {axes: [0, 1, 2]}",
        "%16 f64[] = sum %6 {axes: [0, 1, 2]}",
        "%23 f64[3,16] = dot %3 %22 {lhsContract: [0, 1], rhsContract: [0, 1]}",
        "%24 f64[4,16] = dot %21 %22 {lhsContract: [0, 1], rhsContract: [0, 1]}",
        "%25 f64[16] = sum %22 {axes: [0, 1]}",
        "%26 f64[5,2,3] = dot %22 %0 {lhsContract: [2], rhsContract: [1]}",
      ]
    `);
  });

  it("keeps what was expensive of each step, five tangents and the carry, and computes no step again", () => {
    const shapes = forward!.outputs.map(({ shape }) => shape.join());
    expect(shapes.filter((shape) => shape === "5,2,4").length, "the output and five tangents").toBe(6);
    expect(shapes.filter((shape) => shape !== "5,2,4")).toEqual(["2,2,4", "5,2,2,4"]);
    expect(ofKind(backward!.params.body, "tanh", "exp").length).toBe(0);
  });

  it("carries no sums of weights", () => {
    expect(backward!.params.carry).toBe(1);
  });

  it("costs at most three times the loop itself", () => {
    const types = [f64(3, 16), f64(4, 16), f64(16), f64(40, 2, 3)];
    const alone = cost(trace((...x) => [lstm(scan)(...(x as [Tensor, Tensor, Tensor, Tensor]))], types)).flops;
    expect(cost(trace(gradients(lstm(scan)), types)).flops).toBeLessThan(3 * alone);
  });

  it("is the same from a Program that came as bytes", () => {
    const travelled = decode(encode(trace(lstm(scan), lstmTypes)));
    const after = simplify(
      trace(
        gradients((...x) => apply(travelled, x)[0] as Tensor),
        lstmTypes,
      ),
    );
    expect(loopsOf(after).length).toBe(2);
    expectSame(
      lstmTypes,
      gradients((...x) => apply(travelled, x)[0] as Tensor),
      gradients(lstm(scan)),
    );
  });

  it("is batched by vmap, inside and outside the gradient", () => {
    const types = [...lstmTypes.slice(0, 3), f64(3, 5, 2, 3)];
    const each = (loop: Loop) => vmap(gradients(lstm(loop)), { in: [null, null, null, 0] });
    expectSame(types, each(scan), each(writtenOut));
    const total = (loop: Loop) =>
      gradients((...x) =>
        vmap(lstm(loop), { in: [null, null, null, 0] })(...(x as [Tensor, Tensor, Tensor, Tensor])).sum(),
      );
    expectSame(types, total(scan), total(writtenOut));
  });
});

describe("what flows to constants of a loop", () => {
  const same = (types: readonly TensorType[], of: (loop: Loop) => (...x: Tensor[]) => Tensor): Program => {
    expectSame(types, gradients(of(scan)), gradients(of(writtenOut)));
    expectSame(types, secondGradients(of(scan)), secondGradients(of(writtenOut)));
    return simplify(trace(gradients(of(scan)), types));
  };

  it("is summed in the loop where operands are far larger than their product", () => {
    const program = same([f64(1, 2), f64(3, 40, 1)], (loop) => (w, xs) => {
      const step: Step = (h, x) => [h.tanh().add(x).mul(h.matmul(w).sum()), h];
      return loop(step, xs.at(0), xs)[0].sum();
    });
    expect(loopsOf(program)[1]!.params.carry).toBe(2);
  });

  it("is summed in the loop where it is no product", () => {
    const program = same(
      [f64(4), f64(3, 4)],
      (loop) => (w, xs) => loop((h, x) => [h.mul(w).add(x), h.sin()], xs.at(0), xs)[1].sum(),
    );
    expect(loopsOf(program)[1]!.params.carry).toBe(2);
  });

  it("is one scatter into a table that each step looks up", () => {
    const program = same([f64(7, 3), f64(3, 3), { shape: [5, 2], dtype: "i32" }], (loop) => (table, w, ids) => {
      const step: Step = (h, id) => [h.matmul(w).add(embedding(table, id)).tanh(), h];
      return loop(step, zeros([2, 3], { dtype: "f64" }), ids)[0]
        .square()
        .sum();
    });
    expect(ofKind(program, "scatterAdd").length).toBe(1);
    expect(loopsOf(program).map(({ params }) => ofKind(params.body, "gather", "scatterAdd").length)).toEqual([0, 0]);
  });

  it("is one convolution gradient for a kernel that each step applies", () => {
    const program = same([f64(3, 2, 2), f64(4, 2, 6, 2)], (loop) => (kernel, xs) => {
      const step: Step = (h, x) => [conv1d(h, kernel, { padding: "same" }).tanh().add(x), h];
      return loop(step, xs.at(0), xs)[0].square().sum();
    });
    expect(ofKind(program, "convKernelGradient").length).toBe(1);
    expect(ofKind(loopsOf(program)[1]!.params.body, "convKernelGradient").length).toBe(0);
  });

  it("leaves both loops where one is inside the other", () => {
    const program = same([f64(3, 3), f64(2, 4, 3)], (loop) => (w, xs) => {
      const inner: Step = (h, x) => [h.matmul(w).add(x).tanh(), h];
      const outer: Step = (h, rows) => [loop(inner, h, rows)[0], h.sum()];
      return loop(outer, xs.at(0).at(0), xs)[0].square().sum();
    });
    const [forward, backward] = loopsOf(program);
    expect([loopsOf(forward!.params.body).length, loopsOf(backward!.params.body).length]).toEqual([1, 1]);
    expect(ofKind(backward!.params.body, "dot").length).toBe(0);
  });

  it("is zero for a loop of no steps", () => {
    const types = [f64(3, 16), f64(4, 16), f64(16), f64(0, 2, 3)];
    const results = executableOf(gradients(lstm(scan)), types)(dataFor(types));
    expect(results.flat().every((value) => value === 0)).toBe(true);
  });
});

describe("what a step computes without its carry", () => {
  it("is done for all steps at once when it is a product, and stays inside when it is not", () => {
    const program = trace(
      (w, xs) => {
        const step: Step = (h, x) => [h.add(x.tanh().matmul(w).relu()).sin().mul(x.exp()), h];
        return scan(step, xs.at(0), xs)[0];
      },
      [f64(3, 3), f64(5, 3)],
    );
    expect(textOf(program)).toMatchInlineSnapshot(`
      "%0 f64[3,3] = input
      %1 f64[5,3] = input
      %2 f64[1,3] = slice %1 {start: [0, 0], stop: [1, 3], step: [1, 1]}
      %3 f64[3] = reshape %2
      %4 f64[5,3] = tanh %1
      %5 f64[5,3] = dot %4 %0 {lhsContract: [1], rhsContract: [0]}
      %6 f64[] = constant {value: 0}
      %7 f64[3] = broadcast %6
      %8 f64[5,3] = broadcast %7 {axes: [1]}
      %9 bool[5,3] = compare %5 %8 {op: le}
      %10 f64[] = constant {value: 0}
      %11 f64[3] = broadcast %10
      %12 f64[5,3] = broadcast %11 {axes: [1]}
      %13 f64[5,3] = select %9 %12 %5
      %14 f64[3] = scan %3 %1 %13 {length: 5, constants: 0, carry: 1}
        %0 f64[3] = input
        %1 f64[3] = input
        %2 f64[3] = input
        %3 f64[3] = add %0 %2
        %4 f64[3] = sin %3
        %5 f64[3] = exp %1
        %6 f64[3] = mul %4 %5
        return %6
      return %14"
    `);
  });

  it("stays a step's own work in a loop without carry, which is there to work step by step", () => {
    const program = trace(
      (w, xs) => scan((none: undefined, x: Tensor) => [none, x.matmul(w)] as const, undefined, xs)[1],
      [f64(3, 3), f64(5, 2, 3)],
    );
    expect(ofKind(program, "dot")).toEqual([]);
    expect(ofKind(loopsOf(program)[0]!.params.body, "dot").length).toBe(1);
  });
});

describe("the gradient by part of the arguments", () => {
  it("works out nothing for the others", () => {
    const program = simplify(trace((wx, wh, b, xs) => [grad(lstm(scan), { argument: 3 })(wx, wh, b, xs)], lstmTypes));
    expect(textOf(program)).not.toMatch(/lhsContract: \[0, 1\]/);
  });
});
