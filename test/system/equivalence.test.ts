/** Promise 1: synchronous data-parallel training is the training of one process, whatever the number of workers. */
import { digits, permutation, assembleBatch } from "@weft/data";
import { createOptimizer } from "@weft/optim/createOptimizer";
import type { Tensor } from "@weft/tensor";
import { apply, compile, setBackend, tensor, valueAndGrad } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { buildJob } from "weft";
import type { CheckedJob } from "@weft/worker";
import { checkJob, createTrainer } from "@weft/worker";
import { parameterViews } from "@weft/vector";
import { beforeAll, describe, expect, test } from "vitest";
import { digitsJob } from "../support/digitsJob.ts";
import { runInProcess } from "../support/inProcess.ts";

const rounds = 100;
const batchSize = 32;
const definition = digitsJob({ stop: { rounds } });

describe("100 rounds of data-parallel training", () => {
  let job: Uint8Array;
  let local: Float32Array;
  const source = digits();

  beforeAll(async () => {
    setBackend(createWasmBackend());
    job = buildJob(definition, await source.load());
    local = await trainHere(checkJob(job));
  });

  /** The same training with nothing of rounds, wires or sums in it: one loop over one compiled step. */
  async function trainHere(checked: CheckedJob): Promise<Float32Array> {
    const { train } = await source.load();
    const { document, manifest } = checked;
    const program = checked.loss.find(({ batch }) => batch === batchSize)!.program;
    const optimizer = createOptimizer(document.round.server);
    const step = compile(
      (parameters: Tensor[], state: Tensor[], inputs: Tensor[]) => {
        const [, gradients] = valueAndGrad((p: Tensor[]) => apply(program, [...p, ...inputs])[0]!)(parameters);
        return optimizer.update(parameters, gradients, state);
      },
      { donate: [0, 1] },
    );
    const initial = parameterViews(manifest, await createTrainer(checked).initialize(document.seed));
    let parameters = manifest.entries.map(({ name, shape }) => tensor(initial.get(name)!, { shape }));
    let state = optimizer.init(parameters);
    for (let round = 0, position = 0, epoch = 0; round < rounds; round++) {
      const rows = permutation(train.size, document.seed, epoch).subarray(position, position + batchSize);
      const batch = assembleBatch(train, rows, batchSize);
      const fields = batch.fields.map((values, i) =>
        tensor(values, { shape: [batchSize, ...document.data.fields[i]!.shape] }),
      );
      const inputs = [tensor(Uint32Array.of(0, 0)), tensor(batch.weights), ...fields];
      ({ parameters, state } = step(parameters, state, inputs));
      position += rows.length;
      if (position >= train.size) [position, epoch] = [0, epoch + 1];
    }
    const flat = new Float32Array(manifest.size);
    for (const [i, { offset }] of manifest.entries.entries()) {
      flat.set(await parameters[i]!.data(), offset);
    }
    return flat;
  }

  test("over one worker equals a local run bit for bit", async () => {
    const { train } = await source.load();
    const { weights } = await runInProcess({ job, train, workers: 1 });
    expect(new Uint32Array(weights.slice().buffer)).toEqual(new Uint32Array(local.slice().buffer));
  });

  for (const workers of [2, 3, 4]) {
    test(`over ${workers} workers differs from one process by at most 1e-5 relative`, async () => {
      const { train } = await source.load();
      const { weights } = await runInProcess({ job, train, workers });
      expect(relativeDifference(weights, local)).toBeLessThan(1e-5);
      expect(relativeDifference(weights, local)).toBeGreaterThan(0); // it did split the batches
    });
  }

  test("twice over three workers gives the same bits", async () => {
    const { train } = await source.load();
    const [first, second] = [
      await runInProcess({ job, train, workers: 3 }),
      await runInProcess({ job, train, workers: 3 }),
    ];
    expect(new Uint32Array(first.weights.slice().buffer)).toEqual(new Uint32Array(second.weights.slice().buffer));
  });
});

function relativeDifference(a: Float32Array, b: Float32Array): number {
  let difference = 0;
  let size = 0;
  for (let i = 0; i < a.length; i++) {
    difference += (a[i]! - b[i]!) ** 2;
    size += b[i]! ** 2;
  }
  return Math.sqrt(difference / size);
}
