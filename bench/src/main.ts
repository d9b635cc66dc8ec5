/**
 * `npm run bench -- GROUP [FILTER] [--rounds N]`: runs the benches whose name begins with GROUP, and of those only what FILTER
 * names; N rounds instead of the usual where time is taken in rounds.
 * Stdout gets one JSON line per figure, `{name, value, unit, vs, ratio}`; stderr what a person wants to see meanwhile.
 */
import { parseArgs } from "node:util";
import type { Bench } from "./figure.ts";

/** Loaded when they are run, so that one bench does not wait for what another needs. */
const benches: Readonly<Record<string, () => Promise<Bench>>> = {
  "engine-steps": async () => (await import("./engine/benches.ts")).engineSteps,
  "engine-matmul": async () => (await import("./engine/benches.ts")).engineMatmul,
  "engine-elementwise": async () => (await import("./engine/benches.ts")).engineElementwise,
  "engine-compile": async () => (await import("./engine/compileTime.ts")).engineCompile,
  "engine-memory": async () => (await import("./engine/memoryGrowth.ts")).engineMemory,
  "engine-import": async () => (await import("./engine/importTime.ts")).engineImport,
  "engine-size": async () => (await import("./engine/size.ts")).engineSize,
  "bad-network": async () => (await import("./wire/badNetwork.ts")).badNetwork,
  wire: async () => (await import("./wire/wire.ts")).wire,
  codecs: async () => (await import("./codecs.ts")).codecs,
  algorithms: async () => (await import("./algorithms/benches.ts")).algorithms,
  federated: async () => (await import("./federated.ts")).federated,
  "coordinator-memory": async () => (await import("./coordinator/memory.ts")).coordinatorMemory,
  "coordinator-turns": async () => (await import("./coordinator/memory.ts")).coordinatorTurns,
  aggregate: async () => (await import("./coordinator/aggregate.ts")).aggregate,
  crowd: async () => (await import("./coordinator/crowd.ts")).crowd,
  idle: async () => (await import("./coordinator/idle.ts")).idle,
  simulator: async () => (await import("./simulator/benches.ts")).simulator,
};

const { positionals, values } = parseArgs({ allowPositionals: true, options: { rounds: { type: "string" } } });
const [group = "", filter = ""] = positionals;
const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
  throw new Error(`bench: --rounds is ${values.rounds}; expected a whole number from 1`);
}
const chosen = Object.entries(benches).filter(([name]) => name.startsWith(group));
if (chosen.length === 0) {
  process.stderr.write(`bench: no bench begins with "${group}"; there are ${Object.keys(benches).join(", ")}\n`);
  process.exitCode = 2;
}
for (const [name, load] of chosen) {
  process.stderr.write(`${name}\n`);
  const bench = await load();
  for await (const figure of bench({ filter: name.includes(filter) ? "" : filter, rounds })) {
    process.stdout.write(`${JSON.stringify(figure)}\n`);
    const { value, unit, vs, ratio } = figure;
    process.stderr.write(`  ${figure.name}: ${value} ${unit}, ${ratio} × ${vs}\n`);
  }
}
