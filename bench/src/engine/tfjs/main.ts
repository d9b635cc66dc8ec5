/** TensorFlow.js on WebAssembly as a contestant. `--transposes-first`: see backend.ts. */
import { serve } from "../serve.ts";

await serve(async () =>
  (await import("./engine.ts")).startEngine({ tuned: process.argv.includes("--transposes-first") }),
);
