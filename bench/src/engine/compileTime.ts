/** What compiling each training step costs, cold and when the same Program was compiled before; against the limits we set. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BenchOptions, Figure } from "../figure.ts";
import { median, threeDigits } from "../figure.ts";
import { bundleChild } from "./bundle.ts";
import type { CompileTimes } from "./compile/main.ts";
import { writeInputs } from "./inputs.ts";
import { stepWorkloads } from "./workloads.ts";

const usualRounds = 5;
const limitsMs = { coldMs: 400, cachedMs: 5 };

export async function* engineCompile({ filter, rounds = usualRounds }: BenchOptions): AsyncIterable<Figure> {
  const script = await bundleChild("compile");
  const folder = mkdtempSync(join(tmpdir(), "weft-bench-"));
  try {
    for (const { name, inputs } of stepWorkloads) {
      if (!name.includes(filter)) continue;
      const path = join(folder, name);
      writeInputs(path, inputs());
      const runs = Array.from({ length: rounds }, () => {
        return JSON.parse(execFileSync(process.execPath, [script, name, path], { encoding: "utf8" })) as CompileTimes;
      });
      const medianOf = (part: keyof CompileTimes) => median(runs.map((times) => times[part]));
      process.stderr.write(`  ${name}: ${threeDigits(medianOf("programMs"))} ms cold from the Program on\n`);
      for (const [what, part] of [
        ["cold", "coldMs"],
        ["cached", "cachedMs"],
      ] as const) {
        const [value, limit] = [medianOf(part), limitsMs[part]];
        const ratio = threeDigits(limit / value);
        yield {
          name: `${name} compile, ${what}`,
          value: threeDigits(value),
          unit: "ms",
          vs: `a limit of ${limit} ms`,
          ratio,
        };
      }
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}
