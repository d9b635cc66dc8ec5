/** Jobs in mixed precision: digits learned in f16 over f32 weights as well as in f32, and what the document says of it. */
import { digits } from "@weft/data";
import {
  accuracy,
  batchNorm,
  conv2d,
  dense,
  flatten,
  maxPool2d,
  relu,
  sequential,
  softmaxCrossEntropy,
} from "@weft/nn";
import { adam } from "@weft/optim";
import { decodeJob } from "@weft/protocol";
import { decode, describe as textOf } from "@weft/tensor/programs";
import { expect, test } from "vitest";
import type { JobDefinition } from "weft";
import { JobError, buildJob, dataParallel, defineJob, fit } from "weft";

const definition: JobDefinition = {
  name: "digits",
  data: digits(),
  model: sequential(
    conv2d({ features: 8, kernel: 3 }),
    batchNorm(),
    relu,
    maxPool2d({ window: 2 }),
    flatten,
    dense({ features: 10 }),
  ),
  loss: softmaxCrossEntropy,
  metrics: { accuracy },
  round: dataParallel({ batchSize: 50, optimizer: adam({ learningRate: 5e-3 }) }),
  stop: { epochs: 12 },
};
const half = { ...definition, precision: { compute: "f16" } } as const;

test("digits trained in f16 are recognised as well as those trained in f32", async () => {
  const [plain, mixed] = [
    await fit(defineJob(definition), { progress: false }),
    await fit(defineJob(half), { progress: false }),
  ];
  const [want = 0, got = 0] = [(await plain.evaluate())["accuracy"], (await mixed.evaluate())["accuracy"]];
  expect(want).toBeGreaterThan(0.95);
  expect(got).toBeGreaterThan(want - 0.015);
  const losses = [plain, mixed].map(({ history }) => history.at(-1)?.loss ?? NaN) as [number, number];
  expect(losses[1]).not.toBe(losses[0]);
  expect(losses[1] / losses[0]).toBeCloseTo(1, 1);
  // Master weights: more digits than f16 holds.
  for (const parameter of Object.values(mixed.parameters)) expect(parameter.dtype).toBe("f32");
  const kernel = await mixed.parameters["dense.kernel"]?.data();
  expect(kernel?.filter((value) => value !== Math.f16round(value)).length).toBeGreaterThan(
    0.9 * (kernel?.length ?? NaN),
  );
});

test("the document says so; its losses hold f16, what measures and predicts is f32", async () => {
  const { document, program } = decodeJob(buildJob(defineJob(half), await digits().load()));
  expect(document.precision).toEqual({ compute: "f16", lossScale: "dynamic" });
  const { loss, ...others } = document.programs;
  for (const each of loss) expect(textOf(decode(program(each)))).toMatch(/f16\[\d+,6,6,8\] = conv/);
  for (const each of Object.values(others)) expect(textOf(decode(program(each)))).not.toContain("f16");
  const plain = decodeJob(buildJob(defineJob(definition), await digits().load())).document;
  expect("precision" in plain).toBe(false);
});

test.each([
  [{ compute: "f16", lossScale: 0 }, /lossScale is 0; expected "dynamic" or a number above 0/],
  [{ compute: "f8" }, /compute is "f8"; expected "f16", or no precision for f32/],
])("precision %j is refused", (precision, message) => {
  const wrong = { ...definition, precision } as unknown as JobDefinition;
  expect(() => defineJob(wrong)).toThrow(JobError);
  expect(() => defineJob(wrong)).toThrow(message);
});
