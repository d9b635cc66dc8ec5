/** The quick examples, as real processes: each ends with the figure that it must reach. */
import { expect, test } from "vitest";
import { runExample } from "../support/runExample.ts";

const quick = [
  "perceptron",
  "xor-backpropagation",
  "linear-regression",
  "multilayer-perceptron",
  "binary-classification",
  "xor-2-2-1",
];

for (const name of quick) {
  test(`${name} reaches its figure`, async () => {
    const { code, output } = await runExample(name);
    expect(output).toMatch(/, required at (least|most) .*: reached/);
    expect(output).not.toContain("MISSED");
    expect(output.split("\n").filter((line) => line.length > 80)).toEqual([]);
    expect(code).toBe(0);
  });
}

test("a figure that is missed is said so, and the program exits with 1", async () => {
  const { code, output } = await runExample("multilayer-perceptron", "--sizes", "2,3");
  expect(output).toMatch(/accuracy: 0\.\d+, required at least 0.97: MISSED/);
  expect(code).toBe(1);
});

test("without a name the examples are listed, in 80 columns", async () => {
  const { code, output } = await runExample();
  for (const name of [...quick, "mnist-cnn"]) expect(output).toContain(`  ${name} `);
  expect(output.split("\n").filter((line) => line.length > 80)).toEqual([]);
  expect(code).toBe(0);
});

test("an example that is not there is named, with those that are", async () => {
  const { code, output } = await runExample("perceptrom");
  expect(output).toContain("no example perceptrom; expected one of");
  expect(output).toContain("perceptron");
  expect(code).toBe(2);
});
