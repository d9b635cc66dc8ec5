/** Job documents: packed and unpacked unchanged, and refused when they contradict themselves. */
import { expect, test } from "vitest";
import {
  decodeFrame,
  decodeJob,
  encodeFrame,
  encodeJob,
  type JobDocument,
  type JobDraft,
  type OptimizerSetting,
} from "@weft/protocol";
import { draft, programs } from "./samples.ts";

test("a job survives the way there and back, with its programs", () => {
  const { document, program } = decodeJob(encodeJob(draft, programs));
  const { programs: places, ...rest } = document;
  expect(rest).toEqual(draft);
  expect(program(places.initialize)).toEqual(programs.initialize.bytes);
  expect(places.loss.map((ref) => [ref.batch, program(ref)])).toEqual(
    programs.loss.map(({ batch, bytes }) => [batch, bytes]),
  );
  expect(program(places.evaluate)).toEqual(programs.evaluate.bytes);
  expect(program(places.predict)).toEqual(programs.predict.bytes);
});

test("the same job gives the same bytes, whatever the order of its fields", () => {
  const reversed = Object.fromEntries(Object.entries(draft).reverse()) as unknown as JobDraft;
  expect(encodeJob(reversed, programs)).toEqual(encodeJob(draft, programs));
});

test("a job may have more parameters than a message has room for", () => {
  const parameters = Array.from({ length: 10_000 }, (_, index) => ({
    name: `block${index}.attention.projection.kernel`,
    shape: [128, 128],
    kind: "weight" as const,
  }));
  expect(decodeJob(encodeJob({ ...draft, parameters }, programs)).document.parameters).toEqual(parameters);
});

/** `depth` records, one within the other. */
const nested = (depth: number): OptimizerSetting => (depth === 0 ? 1 : { inner: nested(depth - 1) });

test("an optimiser carries schedules and other optimisers, to a limited depth", () => {
  const server = {
    name: "clipByGlobalNorm",
    maxNorm: 1,
    optimizer: {
      name: "partition",
      groups: [{ indices: [0, 2], optimizer: { name: "sgd", learningRate: { name: "cosine", from: 1, steps: 5 } } }],
    },
  };
  const withServer = (optimizer: JobDraft["round"]["server"]) => ({
    ...draft,
    round: { ...draft.round, server: optimizer },
  });
  expect(decodeJob(encodeJob(withServer(server), programs)).document.round.server).toEqual(server);
  expect(() => encodeJob(withServer({ deep: nested(12) }), programs)).not.toThrow();
  expect(() => encodeJob(withServer({ deep: nested(13) }), programs)).toThrow("round.server");
  const absent = { name: null } as unknown as JobDraft["round"]["server"];
  expect(() => encodeJob(withServer(absent), programs)).toThrow("round.server");
});

const twice = <T>(list: readonly T[]): T[] => [...list, ...list];

test.each<[string, Partial<JobDraft>, string]>([
  ["parameters", { parameters: twice(draft.parameters) }, 'two parameters are named "dense.kernel"'],
  ["fields", { data: { fields: twice(draft.data.fields) } }, 'two fields are named "image"'],
  ["metrics", { metrics: ["a", "a"] }, 'two metrics are named "a"'],
])("two %s of one name are refused", (_, change, text) => {
  expect(() => encodeJob({ ...draft, ...change }, programs)).toThrow(text);
});

test("a target that no metric can reach is refused", () => {
  const stop = { target: { metric: "perplexity", value: 1, every: 1 } };
  expect(() => encodeJob({ ...draft, stop }, programs)).toThrow(
    'job: stop.target names "perplexity"; one of loss, accuracy expected',
  );
});

test("loss programs that are not sorted by batch are refused", () => {
  expect(() => encodeJob(draft, { ...programs, loss: programs.loss.toReversed() })).toThrow(
    "loss programs by growing batch expected, got 32 after 64",
  );
});

test("a program outside the payload is refused", () => {
  const { header, body } = decodeFrame(encodeJob(draft, programs));
  const document = header as JobDocument;
  const predict = { ...document.programs.predict, offset: body.length };
  const forged = encodeFrame({ ...document, programs: { ...document.programs, predict } }, body);
  expect(() => decodeJob(forged)).toThrow(
    `a program at ${body.length} of 1 bytes; the payload has ${body.length} bytes`,
  );
});

test("a wrong field is named", () => {
  const { header, body } = decodeFrame(encodeJob(draft, programs));
  expect(() => decodeJob(encodeFrame({ ...(header as JobDocument), format: 2 }, body))).toThrow("job: format: ");
});
