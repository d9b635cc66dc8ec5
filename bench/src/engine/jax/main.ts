/** jax-js on WebAssembly as a contestant. `--threads`: all cores, with the browser's Worker lent to Node; else one. */
import { serve } from "../serve.ts";
import { lendWorker } from "./lendWorker.ts";

if (process.argv.includes("--threads")) lendWorker();
await serve(async () => (await import("./engine.ts")).startEngine());
