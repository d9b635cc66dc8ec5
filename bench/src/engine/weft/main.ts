/** Weft as a contestant. `--threads N`: that many, default 1. `--blas`: with the system's BLAS library. */
import { serve } from "../serve.ts";

const flag = process.argv.indexOf("--threads");
const options = {
  threads: flag === -1 ? 1 : Number(process.argv[flag + 1]),
  blas: process.argv.includes("--blas"),
};
await serve(async () => (await import("./engine.ts")).startEngine(options));
