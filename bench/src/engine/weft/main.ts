/** Weft as a contestant: on WebAssembly alone, one thread. */
import { serve } from "../serve.ts";

await serve(async () => (await import("./engine.ts")).startEngine());
