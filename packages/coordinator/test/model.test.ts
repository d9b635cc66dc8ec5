import { createOptimizer } from "@weft/optim/createOptimizer";
import { tensor, trace } from "@weft/tensor";
import { describe, expect, it } from "vitest";
import { checkElementwise } from "../src/model/checkElementwise.ts";
import { ServerModel, type UpdateSource } from "../src/model/serverModel.ts";

const valueAt = (i: number, salt: number) => Math.fround(Math.sin(i * 0.37 + salt));
const vector = (size: number, salt: number) => Float32Array.from({ length: size }, (_, i) => valueAt(i, salt));
const updateOf =
  (salt: number): UpdateSource =>
  (block, out) => {
    for (let i = 0; i < out.length; i++) out[i] = valueAt(block * 65536 + i, salt);
  };

const specs = [
  { name: "sgd", learningRate: 0.1, momentum: 0.9 },
  { name: "adam", learningRate: 0.01 },
];

describe("the server model", () => {
  // One run of blocks that stays with the backend, and three that come and go.
  for (const [spec, size] of [
    [specs[0], 70_000],
    [specs[1], 70_000],
    [specs[1], 2_100_000],
  ] as const) {
    it(`steps ${size} elements by ${spec?.name} with the bits of the whole vector at once, restored in between`, async () => {
      const optimizer = createOptimizer(spec);
      let parameter = tensor(vector(size, 0));
      let state = optimizer.init([parameter]);
      let model = await ServerModel.create(spec, vector(size, 0));
      const told: number[] = [];
      for (let version = 1; version <= 3; version++) {
        const before = model.weights;
        const bits = before.slice();
        const sink = (update: Float32Array) => {
          told.push(update.length);
          return Promise.resolve();
        };
        await model.step(updateOf(version), { sink });
        expect(before).toEqual(bits);
        const next = optimizer.update([parameter], [tensor(vector(size, version))], state);
        parameter = next.parameters[0]!;
        state = next.state;
        if (version === 1) {
          const restored = await ServerModel.create(spec, new Float32Array(size));
          await restored.restore(model.weights, model.state());
          model.dispose();
          model = restored;
        }
      }
      expect(told.reduce((sum, length) => sum + length, 0)).toBe(3 * size);
      const whole = (await parameter.data()) as Float32Array;
      expect(Buffer.compare(Buffer.from(model.weights.buffer), Buffer.from(whole.buffer))).toBe(0);
    });
  }

  it("refuses a state that is not its optimiser's", async () => {
    const model = await ServerModel.create(specs[1], vector(10, 0));
    const other = await ServerModel.create(specs[0], vector(10, 0));
    await expect(model.restore(vector(10, 0), other.state())).rejects.toThrow(
      /does not fit the job's server optimiser/,
    );
    await expect(model.restore(vector(9, 0), model.state())).rejects.toThrow(/9 elements, the job has 10/);
  });
});

it("an optimiser that takes a norm of the whole is refused with what to use instead", () => {
  const type = { shape: [8], dtype: "f32" } as const;
  const normed = trace(
    (weights, gradient) => weights.sub(gradient.div(gradient.mul(gradient).sum().sqrt())),
    [type, type],
  );
  expect(() => checkElementwise(normed, 8, "lamb")).toThrow(
    /lamb looks at more than one element .*such as sgd or adam/,
  );
  const plain = trace(
    (weights, gradient, rate) => weights.sub(gradient.mul(rate.add(1))),
    [type, type, { shape: [], dtype: "f32" }],
  );
  expect(() => checkElementwise(plain, 8, "sgd")).not.toThrow();
});
