/** The server optimiser over blocks of the flat vector. */
import {
  adam,
  adamw,
  clipByGlobalNorm,
  cosine,
  exponentialMovingAverage,
  lamb,
  muon,
  partition,
  sgd,
  yogi,
} from "@weft/optim";
import { tensor } from "@weft/tensor";
import { blockElements } from "@weft/vector";
import { describe, expect, it } from "vitest";
import { CoordinatorOptionsError } from "../src/errors.ts";
import { ServerModel } from "../src/model/serverModel.ts";

const learningRate = 0.1;
const size = blockElements + 3;
const weights = Float32Array.from({ length: size }, (_, i) => Math.sin(i));
const update = Float32Array.from({ length: size }, (_, i) => Math.cos(3 * i));

describe("the server's step", () => {
  it.each([
    ["adam with a schedule", adam({ learningRate: cosine({ from: 0.1, steps: 3 }) })],
    ["yogi", yogi({ learningRate })],
    ["an average of the weights", exponentialMovingAverage(sgd({ learningRate, momentum: 0.9 }))],
  ])("block by block gives the bits of the whole: %s", async (_, optimizer) => {
    const model = await ServerModel.create(optimizer.spec, weights);
    let parameters = [tensor(weights)];
    let state = optimizer.init(parameters);
    for (let step = 0; step < 3; step++) {
      await model.step((block, out) => {
        out.set(update.subarray(block * blockElements, block * blockElements + out.length));
      });
      ({ parameters, state } = optimizer.update(parameters, [tensor(update)], state));
    }
    expect(
      Buffer.from(model.weights.buffer).equals(Buffer.from((parameters[0]!.dataSync() as Float32Array).buffer)),
    ).toBe(true);
    expect(model.state()).toEqual(state.map((each) => each.dataSync()));
    model.dispose();
  });

  it.each([
    ["lamb", lamb({ learningRate })],
    ["muon", muon({ learningRate })],
    ["clipByGlobalNorm", clipByGlobalNorm(adam({ learningRate }), { maxNorm: 1 })],
    ["partition", partition([{ optimizer: adamw({ learningRate }) }])],
  ])("is refused for %s, which does not work element by element", async (name, { spec }) => {
    const made = ServerModel.create(spec, weights);
    await expect(made).rejects.toThrow(CoordinatorOptionsError);
    await expect(made).rejects.toThrow(`server optimiser ${name} looks at the shapes or norms of whole parameters`);
  });
});
