/** Encoded Programs: round-trips, a fixed format, and hostile bytes. */
import fc from "fast-check";
import type { Program, Tensor } from "@weft/tensor";
import { ProgramError, apply, bind, full, grad, relu, scan, softmax, tensor, trace, vmap } from "@weft/tensor";
import { cost, decode, describe as textOf, encode, programVersion } from "@weft/tensor/programs";
import { describe, expect, it } from "vitest";
import { applySample, drawn, executableOf } from "./transformRun.ts";
import { allSamples, seeded } from "./transformSamples.ts";

const f32 = (...shape: number[]) => ({ shape, dtype: "f32" as const });

/** A training step of a small classifier: gradients of a loss, with literals of every dtype. */
const training = trace(
  (w, b, x, labels) => {
    const mask = tensor([true, false, true]);
    const loss = (weights: Tensor, bias: Tensor) => {
      const logits = relu(x.matmul(weights).add(bias)).add(tensor([0.5, 0.25, -1]));
      const picked = softmax(logits).takeAlongAxis(labels.expandDims(1));
      return picked
        .log()
        .mean()
        .neg()
        .add(
          mask
            .cast("f32")
            .mul(tensor([1, 2, 3], { dtype: "u32" }).cast("f32"))
            .sum(),
        );
    };
    const [dw, db] = grad(loss, { argument: [0, 1] })(w, b);
    return [w.sub(dw.mul(0.1)), b.sub(db.mul(0.1))];
  },
  [f32(4, 3), f32(3), f32(5, 4), { shape: [5], dtype: "i32" }],
);

/** Loops within loops, batched and differentiated. */
const looping = trace(
  (h, xs) => {
    const inner = (c: Tensor, x: Tensor) => [c.mul(x).tanh(), c] as const;
    const outer = (c: Tensor, x: Tensor) => {
      const [last, all] = scan(inner, c, x);
      return [last, all.sum()] as const;
    };
    const total = (start: Tensor, rows: Tensor) => {
      const [last, sums] = scan(outer, start, rows, { reverse: true });
      return last.add(sums.sum());
    };
    return [vmap(grad(total), { in: [0, null] })(h, xs)];
  },
  [f32(2), f32(3, 4)],
);

const convolving = trace(
  (x, kernel) => {
    const image = bind("conv", [x, kernel], {
      strides: [2, 1],
      padding: [
        [1, 0],
        [1, 1],
      ],
      dilation: [1, 1],
      groups: 1,
    });
    const window = {
      window: [1, 2, 2, 1],
      strides: [1, 1, 1, 1],
      padding: [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, 0],
      ],
    } as const;
    return [bind("windowMax", [image], window).sum()];
  },
  [f32(1, 5, 5, 2), f32(3, 3, 2, 3)],
);

const programs: readonly (readonly [string, Program])[] = [
  ["a training step", training],
  ["loops in loops", looping],
  ["a convolution", convolving],
  ["nothing", { inputs: [], literals: [], instructions: [], outputs: [] }],
  ...allSamples().map(({ name, primitive, sample }): [string, Program] => [
    name,
    trace((...inputs) => applySample(primitive, sample, inputs), sample.inputs),
  ]),
];

describe("encode and decode", () => {
  it.each(programs)("%s comes back the same", (_, program) => {
    const bytes = encode(program);
    const back = decode(bytes);
    expect(textOf(back)).toBe(textOf(program));
    expect(encode(back)).toEqual(bytes);
    expect(cost(back)).toEqual(cost(program));
  });

  it("computes the same after the round-trip", () => {
    for (const { primitive, sample } of allSamples()) {
      const run = (...inputs: Tensor[]) => applySample(primitive, sample, inputs);
      const inputs = sample.inputs.map((operand, i) => drawn(operand, seeded(i)));
      const decoded = decode(encode(trace(run, sample.inputs)));
      const again = executableOf((...operands) => apply(decoded, operands), sample.inputs);
      expect(again(inputs)).toEqual(executableOf(run, sample.inputs)(inputs));
    }
  });

  it("keeps literals exactly, odd values included", () => {
    const elements = fc.array(fc.oneof(fc.float(), fc.constantFrom(-0, NaN, Infinity, -Infinity)), { minLength: 2 });
    fc.assert(
      fc.property(elements, (values) => {
        const data = new Float32Array(values);
        const literal = { shape: [data.length], dtype: "f32", data } as const;
        const program: Program = { inputs: [], literals: [literal], instructions: [], outputs: [0] };
        expect(
          [...(decode(encode(program)).literals[0]?.data ?? [])].map((x) => (Object.is(x, -0) ? "-0" : x)),
        ).toEqual([...data].map((x) => (Object.is(x, -0) ? "-0" : x)));
      }),
    );
  });

  it("has not changed its format", () => {
    const program = trace((x) => [x.add(full([2], 1.5))], [f32(2)]);
    expect(Buffer.from(encode(program)).toString("hex")).toBe(
      `57454654${Buffer.from([programVersion]).toString("hex")}` + // magic, version
        "01" +
        "010102" + // one input: f32, rank 1, size 2
        "00" + // no literals
        "02" + // two instructions
        "01" +
        "0102" +
        "01" +
        "000000000000f83f" +
        "00" +
        "01010102" + // constant [2] f32 1.5, no operands, one result
        "14" +
        "020001" +
        "01010102" + // add of values 0 and 1
        "0102", // value 2 comes out
    );
  });
});

/** Fails with ProgramError, or gives a program that is as good as any other. */
function survives(bytes: Uint8Array): boolean {
  try {
    const program = decode(bytes);
    expect(textOf(decode(encode(program)))).toBe(textOf(program));
    cost(program);
    return true;
  } catch (error) {
    if (!(error instanceof ProgramError)) throw error;
    expect(error.code).toBe("program");
    return false;
  }
}

describe("hostile bytes", () => {
  const originals = [training, looping, convolving].map(encode);

  it("every truncation of a program is refused", () => {
    for (const bytes of originals) {
      for (let length = 0; length < bytes.length; length++) {
        expect(() => decode(bytes.subarray(0, length))).toThrow(ProgramError);
      }
    }
  });

  it("20,000 mutations give a program or a ProgramError, and nothing else", () => {
    const random = seeded(2024);
    const below = (limit: number) => Math.floor(random() * limit);
    let accepted = 0;
    for (let round = 0; round < 20_000; round++) {
      const original = originals[round % originals.length] ?? new Uint8Array();
      const bytes = original.slice();
      for (let edits = 1 + below(3); edits > 0; edits--) {
        const at = 5 + below(bytes.length - 5);
        bytes[at] = random() < 0.5 ? below(256) : ((bytes[at] ?? 0) + (random() < 0.5 ? 1 : 255)) % 256;
      }
      const from = below(bytes.length);
      const spliced =
        random() < 0.2 ? new Uint8Array([...bytes.subarray(0, from), ...bytes.subarray(from + 1)]) : bytes;
      if (survives(spliced)) accepted++;
    }
    // literals and constants may change freely; if nothing passed, the test would say nothing of accepted programs
    expect(accepted).toBeGreaterThan(100);
    expect(accepted).toBeLessThan(15_000);
  });

  it("random bytes after the magic are refused or harmless", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (tail) => {
        survives(new Uint8Array([0x57, 0x45, 0x46, 0x54, programVersion, ...tail]));
      }),
      { numRuns: 2000 },
    );
  });

  it("what follows the program is refused", () => {
    expect(() => decode(new Uint8Array([...encode(convolving), 0]))).toThrow(/1 bytes follow/);
  });

  it("another version is named", () => {
    const bytes = encode(convolving);
    bytes[4] = 9;
    expect(() => decode(bytes)).toThrow(/version 9 is not known, this is version 1/);
  });

  it("types that do not follow from the operands are refused", () => {
    const [instruction] = convolving.instructions;
    if (!instruction) throw new Error("the program has instructions");
    const lying = { ...convolving, instructions: [{ ...instruction, outputs: [f32(1, 3, 5, 4)] }], outputs: [2] };
    expect(() => decode(encode(lying as Program))).toThrow(/conv gives \(f32\[1,2,5,3\]\), not \(f32\[1,3,5,4\]\)/);
  });

  it("values cannot be read before they are computed", () => {
    const early = { ...convolving, instructions: convolving.instructions.map((step) => ({ ...step, inputs: [5, 6] })) };
    expect(() => decode(encode(early as Program))).toThrow(/value 5 is read where only 2 are known/);
  });

  it("a few bytes cannot ask for much", () => {
    const huge = (instruction: object): Program =>
      ({ inputs: [], literals: [], instructions: [instruction], outputs: [0] }) as unknown as Program;
    const filled = (shape: number[]) =>
      huge({
        primitive: "constant",
        params: { shape, dtype: "f32", value: 1 },
        inputs: [],
        outputs: [{ shape, dtype: "f32" }],
      });
    expect(() => decode(encode(filled([2 ** 20, 2 ** 20])))).toThrow(/more than 268435456 elements/);
    expect(() => decode(encode(filled([0, 2 ** 28, 2 ** 28])))).toThrow(/more than 268435456 elements/);
    expect(() => decode(encode(filled([2 ** 40])))).toThrow(/the limit is 268435456/);
    expect(() => decode(encode(filled([64])), { maxElements: 63 })).toThrow(ProgramError);
    expect(() => decode(encode(training), { maxInstructions: 3 })).toThrow(/instructions are more than are allowed/);
    expect(() => decode(encode(training), { maxLiteralBytes: 11 })).toThrow(/literals are larger/);
    expect(() => decode(encode(looping), { maxDepth: 1 })).toThrow(/nested more than 1 deep/);
  });

  it("constants must be of their dtype", () => {
    const constant = (dtype: "i32" | "u32" | "bool", value: number) => {
      const type = { shape: [], dtype };
      const instruction = { primitive: "constant", params: { ...type, value }, inputs: [], outputs: [type] } as const;
      return encode({ inputs: [], literals: [], instructions: [instruction], outputs: [0] });
    };
    expect(decode(constant("i32", -5)).instructions.length).toBe(1);
    expect(() => decode(constant("i32", 2 ** 31))).toThrow(/not of dtype i32/);
    expect(() => decode(constant("u32", -1))).toThrow(/not of dtype u32/);
    expect(() => decode(constant("bool", 2))).toThrow(/not of dtype bool/);
  });
});

describe("describe", () => {
  it("prints a loop with its body, and a literal by its first elements", () => {
    const program = trace(
      (h, xs) => {
        const shift = tensor([1, 2, 3, 4, 5, 6, 7, 8]);
        const [last] = scan((c: Tensor, x: Tensor) => [c.mul(x).add(shift), undefined] as const, h, xs);
        return [last];
      },
      [f32(8), f32(3, 8)],
    );
    expect(textOf(program)).toMatchInlineSnapshot(`
      "%0 f32[8] = input
      %1 f32[3,8] = input
      %2 f32[8] = literal [1, 2, 3, 4, 5, 6, …]
      %3 f32[8] = scan %2 %0 %1 {length: 3, constants: 1, carry: 1}
        %0 f32[8] = input
        %1 f32[8] = input
        %2 f32[8] = input
        %3 f32[8] = mul %1 %2
        %4 f32[8] = add %3 %0
        return %4
      return %3"
    `);
  });

  it("prints parameters that the types do not show", () => {
    expect(textOf(convolving)).toMatchInlineSnapshot(`
      "%0 f32[1,5,5,2] = input
      %1 f32[3,3,2,3] = input
      %2 f32[1,2,5,3] = conv %0 %1 {strides: [2, 1], padding: [[1, 0], [1, 1]], dilation: [1, 1], groups: 1}
      %3 f32[1,1,4,3] = windowMax %2 {window: [1, 2, 2, 1], strides: [1, 1, 1, 1], padding: [[0, 0], [0, 0], [0, 0], [0, 0]]}
      %4 f32[] = sum %3 {axes: [0, 1, 2, 3]}
      return %4"
    `);
  });
});
