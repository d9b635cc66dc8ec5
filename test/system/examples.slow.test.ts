/** The examples that train for minutes, as real processes: each ends with the figure that it must reach. */
import { expect, test } from "vitest";
import { runExample } from "../support/runExample.ts";

for (const name of ["mnist", "denoiser", "char-rnn", "gpt"]) {
  test(`${name} reaches its figure`, async () => {
    const { code, output } = await runExample(name);
    expect(output).toMatch(/, required at (least|most) .*: reached/);
    expect(output).not.toContain("MISSED");
    expect(code).toBe(0);
  });
}
