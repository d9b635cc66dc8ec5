/** What workers and coordinator keep from round to round, over processes of either that are killed and come back. */
import { adam, sgd } from "@weft/optim";
import fc from "fast-check";
import { expect, test } from "vitest";
import { fedDyn, federated, type LocalKnobs, scaffold } from "weft";
import { encodedJob, uniformData } from "./problem.ts";
import { trainThrough } from "./restarts.ts";

const data = [0, 1, 2].map((place) => uniformData(place, 4 + 2 * place));
const rounds = 8;

const optimizer = sgd({ learningRate: 0.05 });
const local = { epochs: 2, batchSize: 4, optimizer };
const goesOn: LocalKnobs = { steps: 2, batchSize: 4, optimizer: adam({ learningRate: 0.1 }), keepOptimizer: true };
const streams: LocalKnobs = { ...goesOn, streaming: { fragments: 2, mixing: 0.25 } };

const jobOf = (knobs: LocalKnobs) => {
  // Beside vectors it has a count of steps, of each fragment its own.
  const server = knobs.streaming ? adam({ learningRate: 0.1 }) : sgd({ learningRate: 1 });
  return encodedJob({ round: federated({ local: knobs, server }), rounds });
};

test.each<[string, LocalKnobs]>([
  ["control variates of SCAFFOLD", { ...local, correction: scaffold() }],
  ["memories of FedDyn", { ...local, correction: fedDyn({ alpha: 0.1 }) }],
  ["models of workers that stream", streams],
  ["optimisers that go on", goesOn],
])("%s are those of an undisturbed run, bit for bit", async (_, knobs) => {
  const job = jobOf(knobs);
  const [calm, disturbed] = [
    await trainThrough(job, data, {}),
    await trainThrough(job, data, { coordinator: [2, 3, 6] }),
  ];
  expect(disturbed).toEqual(calm);
});

test("a run that streams has the same bits, whichever of its processes are killed after whichever rounds", async () => {
  const job = jobOf(streams);
  const calm = await trainThrough(job, data, {});
  const after = fc.uniqueArray(fc.integer({ min: 1, max: rounds - 1 }), { maxLength: 3 });
  const kills = fc.record({ coordinator: after.map((all) => all.toSorted((a, b) => a - b)), worker: after });
  await fc.assert(
    fc.asyncProperty(kills, async (killed) => {
      expect(await trainThrough(job, data, killed)).toEqual(calm);
    }),
    { numRuns: 5, seed: 1, endOnFailure: true },
  );
  // A worker that had stored nothing begins anew, with the newest version.
  expect(await trainThrough(job, data, { worker: [2, 5], stores: false })).not.toEqual(calm);
});
