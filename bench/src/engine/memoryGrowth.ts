/** Whether memory stays flat as training goes on: what a process holds after 10,000 steps beside what it held after 1,000. */
import { execFileSync } from "node:child_process";
import type { BenchOptions, Figure } from "../figure.ts";
import { threeDigits } from "../figure.ts";
import { bundleChild } from "./bundle.ts";
import type { MemoryUse } from "./memory/main.ts";

const steps = [1000, 10_000] as const;
/** So much larger is still flat. */
const limit = 1.02;

const parts: Readonly<Record<keyof MemoryUse, string>> = {
  resident: "resident",
  heap: "JavaScript heap",
  arena: "arena",
};

export async function* engineMemory({ filter }: BenchOptions): AsyncIterable<Figure> {
  const script = await bundleChild("memory");
  // V8's young generation, left alone, grows once by some 5 MB at a moment of its own choice; that is not what is asked here.
  const args = ["--expose-gc", "--max-semi-space-size=1", script, ...steps.map(String)];
  const lines = execFileSync(process.execPath, args, { encoding: "utf8" }).trim().split("\n");
  const [early, late] = lines.map((line) => JSON.parse(line) as MemoryUse);
  if (!early || !late) throw new Error("the child told of two counts of steps");
  for (const [part, text] of Object.entries(parts) as [keyof MemoryUse, string][]) {
    const name = `memory after ${steps[1].toLocaleString("en")} steps, ${text}`;
    if (!name.includes(filter)) continue;
    const ratio = early[part] / late[part];
    if (ratio < 1 / limit) process.stderr.write(`  ${name}: grew by more than ${Math.round(100 * (limit - 1))} %\n`);
    const vs = `itself after ${steps[0].toLocaleString("en")} steps`;
    yield { name, value: threeDigits(late[part] / 1e6), unit: "MB", vs, ratio: Number(ratio.toFixed(4)) };
  }
}
