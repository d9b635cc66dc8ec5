/**
 * `npm run bench -- GROUP [FILTER]`: runs the benches whose name begins with GROUP, and of those only what FILTER names.
 * Stdout gets one JSON line per figure, `{name, value, unit, vs, ratio}`; stderr what a person wants to see meanwhile.
 */
import type { Figure } from "./figure.ts";

/** A bench yields figures as it gets them; `filter` is a part of the names of those wanted, empty for all. */
type Bench = (filter: string) => AsyncIterable<Figure>;

/** Loaded when they are run, so that one bench does not wait for what another needs. */
const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  "engine-steps": async () => (await import("./engine/benches.ts")).engineSteps,
  "engine-matmul": async () => (await import("./engine/benches.ts")).engineMatmul,
  "engine-elementwise": async () => (await import("./engine/benches.ts")).engineElementwise,
  "engine-compile": async () => (await import("./engine/compileTime.ts")).engineCompile,
  "engine-memory": async () => (await import("./engine/memoryGrowth.ts")).engineMemory,
  "engine-import": async () => (await import("./engine/importTime.ts")).engineImport,
  "engine-size": async () => (await import("./engine/size.ts")).engineSize,
  federated: async () => (await import("./federated.ts")).federated,
};

const [group = "", filter = ""] = process.argv.slice(2);
const chosen = Object.entries(benches).filter(([name]) => name.startsWith(group));
if (chosen.length === 0) {
  process.stderr.write(`bench: no bench begins with "${group}"; there are ${Object.keys(benches).join(", ")}\n`);
  process.exitCode = 2;
}
for (const [name, load] of chosen) {
  process.stderr.write(`${name}\n`);
  const bench = await load();
  for await (const figure of bench(name.includes(filter) ? "" : filter)) {
    process.stdout.write(`${JSON.stringify(figure)}\n`);
    const { value, unit, vs, ratio } = figure;
    process.stderr.write(`  ${figure.name}: ${value} ${unit}, ${ratio} × ${vs}\n`);
  }
}
