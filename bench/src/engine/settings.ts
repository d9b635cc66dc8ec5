/** Every engine, and every setting of it that might be its best. */
import { readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { fileURLToPath } from "node:url";
import { bundleChild } from "./bundle.ts";
import type { Setting } from "./contestant.ts";

export const ownProduct = "weft";

const cores = availableParallelism();
const threadCounts = cores > 1 ? [1, cores] : [1];
const countOf = (threads: number) => (threads === 1 ? "1 thread" : `${threads} threads`);

/** What is timed: training steps, square products, single operations. */
export type Kind = "steps" | "matmul" | "elementwise";

/** Those in which something differs for this kind. */
export async function settingsFor(kind: Kind): Promise<readonly Setting[]> {
  const [weft = "", tfjs = "", jax = ""] = await Promise.all(["weft", "tfjs", "jax"].map(bundleChild));
  const node = (product: string, setting: string, args: readonly string[]): Setting => ({
    product,
    setting,
    command: process.execPath,
    args,
    // Which kernels BLAS uses is for the engine to find.
    env: { OPENBLAS_CORETYPE: undefined },
  });
  const native = node(ownProduct, `native BLAS, ${countOf(cores)}`, [weft, "--blas", "--threads", `${cores}`]);
  const tuned = node("tfjs, tuned", "1 thread, transposes before products", [tfjs, "--transposes-first"]);
  return [
    ...threadCounts.map((threads) =>
      node(ownProduct, `WebAssembly, ${countOf(threads)}`, [weft, "--threads", `${threads}`]),
    ),
    ...(kind === "elementwise" ? [] : [native]),
    node("tfjs", "1 thread", [tfjs]),
    ...(kind === "steps" ? [tuned] : []),
    node("jax-js", "1 thread", [jax]),
    ...(cores > 1 ? [node("jax-js", countOf(cores), [jax, "--threads"])] : []),
    ...threadCounts.map(torch),
  ];
}

/**
 * Debian's python3-torch. Neither its OpenBLAS nor its own loops pick their AVX-512 kernels on new CPUs by themselves; those
 * make products twice as fast, and the whole step of the GPT by another eighth.
 */
function torch(threads: number): Setting {
  const script = fileURLToPath(new URL("./torch/torchEngine.py", import.meta.url));
  const wide = hasAvx512();
  return {
    product: "PyTorch",
    setting: wide ? `${countOf(threads)}, AVX-512` : countOf(threads),
    command: "/usr/bin/python3",
    args: [script, "--threads", `${threads}`],
    env: {
      OMP_NUM_THREADS: `${threads}`,
      OPENBLAS_NUM_THREADS: `${threads}`,
      ...(wide ? { OPENBLAS_CORETYPE: "SKYLAKEX", ATEN_CPU_CAPABILITY: "avx512" } : {}),
    },
  };
}

function hasAvx512(): boolean {
  try {
    return readFileSync("/proc/cpuinfo", "utf8").includes(" avx512f ");
  } catch {
    return false;
  }
}
