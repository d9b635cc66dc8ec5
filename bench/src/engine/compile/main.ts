/** Tells what compiling one training step costs, in a process of its own: `main.mjs WORKLOAD INPUTS` prints JSON. */
import type { Backend, CompileOptions, Program } from "@weft/tensor";
import { setBackend } from "@weft/tensor";
import { createWasmBackend } from "@weft/wasm";
import { readInputs } from "../inputs.ts";
import { losses } from "../weft/losses.ts";
import { train } from "../weft/train.ts";

export interface CompileTimes {
  /** All of the first step but the step itself: traced, differentiated, scheduled, generated, compiled. */
  readonly coldMs: number;
  /** Of that, from the Program on. */
  readonly programMs: number;
  /** The same Program once more. */
  readonly cachedMs: number;
}

const [workload = "", path = ""] = process.argv.slice(2);
const network = losses[workload];
if (!network) throw new Error(`no training step is called ${workload}`);
const wasm = createWasmBackend();
const compiled: { program: Program; options: CompileOptions; ms: number }[] = [];
const watched: Backend = {
  name: wasm.name,
  synchronous: wasm.synchronous,
  compile(program, options = {}) {
    const start = performance.now();
    const executable = wasm.compile(program, options);
    compiled.push({ program, options, ms: performance.now() - start });
    return executable;
  },
};
setBackend(watched);

const start = performance.now();
const run = train(network, readInputs(path), { dropout: true });
await run(1);
const first = performance.now();
await run(1);
const coldMs = first - start - (performance.now() - first);
// Keys and other small things are programs too; the step is the longest.
const step = compiled.reduce((longest, one) => (one.ms > longest.ms ? one : longest));
const again = performance.now();
wasm.compile(step.program, step.options);
const times: CompileTimes = { coldMs, programMs: step.ms, cachedMs: performance.now() - again };
process.stdout.write(JSON.stringify(times));
