/** Finds the BLAS library of the system that Node runs on and opens it with koffi; both may be absent. */
import type { Blas, BlasChoice } from "./blas.ts";
import { BlasError } from "./blas.ts";
import type { Koffi } from "./openBlas.ts";
import { openBlas } from "./openBlas.ts";

type LibraryHandle = ReturnType<Koffi["load"]>;

// What only the search for a library needs is loaded when there is one: each of these takes a part of a millisecond.
const fromHere = () => process.getBuiltinModule("node:module").createRequire(import.meta.url);

const opened = new Map<string, Blas>();
let searched: { readonly found: Blas | undefined } | undefined;

/** @throws {BlasError} when the library is named, by `choice` or by `WEFT_BLAS`, and cannot be used */
export function findBlas(choice: BlasChoice): Blas | undefined {
  const wanted = choice === "auto" ? (process.env["WEFT_BLAS"] ?? "auto") : choice;
  if (wanted === "off" || wanted === "") return undefined;
  if (wanted !== "auto") return openNamed(wanted);
  searched ??= { found: search() };
  return searched.found;
}

function search(): Blas | undefined {
  const koffi = loadKoffi();
  if (koffi instanceof Error) return undefined;
  for (const path of candidates[process.platform] ?? []) {
    const blas = tryOpen(koffi, path);
    if (!(blas instanceof Error)) return blas;
  }
  return undefined;
}

function openNamed(path: string): Blas {
  const koffi = loadKoffi();
  const blas = koffi instanceof Error ? koffi : tryOpen(koffi, path);
  if (!(blas instanceof Error)) return blas;
  throw new BlasError(
    `expected a BLAS library at ${path}, got none that can be used; install one, or set WEFT_BLAS=off: ${blas.message}`,
    { cause: blas },
  );
}

/** Names that the system's loader resolves, then usual places; builds whose threads are POSIX threads come first. */
const candidates: { readonly [P in NodeJS.Platform]?: readonly string[] } = {
  linux: [
    ...["x86_64", "aarch64"].map((machine) => `/usr/lib/${machine}-linux-gnu/openblas-pthread/libopenblas.so.0`),
    "libopenblas.so.0",
    "libopenblasp.so.0",
    "libopenblas.so",
    "/opt/OpenBLAS/lib/libopenblas.so",
    "/usr/local/lib/libopenblas.so",
    "libmkl_rt.so.2",
    "libmkl_rt.so.1",
    "/opt/intel/oneapi/mkl/latest/lib/libmkl_rt.so.2",
    "/opt/intel/oneapi/mkl/latest/lib/intel64/libmkl_rt.so.2",
  ],
  darwin: ["/System/Library/Frameworks/Accelerate.framework/Accelerate"],
  win32: ["libopenblas.dll", "openblas.dll", "mkl_rt.2.dll"],
};

/**
 * koffi is an optional dependency, and its binary an optional one of its own. The binary alone is all that is called, and is
 * loaded from where koffi's packages have it: the JavaScript that looks for it takes 13 ms and 4 MB, in every thread.
 */
function loadKoffi(): LoadedKoffi | Error {
  const require = fromHere();
  const { platform, arch } = process;
  const fileFrom = (folder: NodeJS.Require) =>
    folder.resolve(`@koromix/koffi-${platform}-${arch}/${platform}_${arch}/koffi.node`);
  try {
    const main = require.resolve("koffi");
    try {
      const file = fileFrom(process.getBuiltinModule("node:module").createRequire(main));
      return { koffi: require(file) as Koffi, file };
    } catch {
      // Built here, or for another C library: koffi knows where.
      return { koffi: require(main) as Koffi, file: main };
    }
  } catch (error) {
    return asError(error);
  }
}

interface LoadedKoffi {
  readonly koffi: Koffi;
  /** What other threads load. */
  readonly file: string;
}

function tryOpen({ koffi, file }: LoadedKoffi, path: string): Blas | Error {
  const known = opened.get(path);
  if (known) return known;
  try {
    const { library, ...open } = withSettings(koffi, () => openBlas(koffi, path));
    const name = nameOf(library, path);
    giveBackFreed(koffi);
    if (name instanceof Error) return name;
    const blas: Blas = { name, files: { koffi: file, library: path }, open };
    opened.set(path, blas);
    return blas;
  } catch (error) {
    return asError(error);
  }
}

/** Says what the library is, and has it compute on the calling thread: the engine divides the work itself. */
function nameOf(library: LibraryHandle, path: string): string | Error {
  const config = callIfThere(library, "str openblas_get_config()");
  if (typeof config === "string") {
    // A build for single-threaded programs keeps buffers that threads would share.
    if (callIfThere(library, "int openblas_get_parallel()") === 0) {
      return new Error(`${path} is a build of OpenBLAS without threads, whose functions may not run side by side`);
    }
    callIfThere(library, "void openblas_set_num_threads(int)", 1);
    const kernels = callIfThere(library, "str openblas_get_corename()");
    return `${/^OpenBLAS [\d.]+/.exec(config)?.[0] ?? "OpenBLAS"} (${String(kernels)})`;
  }
  const sequentialLayer = 1;
  if (callIfThere(library, "int MKL_Set_Threading_Layer(int)", sequentialLayer) !== undefined) return "MKL";
  return path.includes("Accelerate.framework") ? "Accelerate" : path;
}

/**
 * Of what loading the engine took from the C heap, glibc keeps the freed part for itself: 3 MB of a process's 98 with an MLP
 * in training. Elsewhere there is no such function.
 */
function giveBackFreed(koffi: Koffi): void {
  if (process.platform === "linux") callIfThere(koffi.load(null), "int malloc_trim(size_t)", 0);
}

/** What the C function answers, `undefined` where the library does not have it. */
function callIfThere(library: LibraryHandle, declaration: string, ...args: number[]): unknown {
  let call: (...args: number[]) => unknown;
  try {
    call = library.func(declaration);
  } catch {
    return undefined;
  }
  return call(...args);
}

/**
 * OpenBLAS 0.3.21, as Debian ships it, does not know newer processors and takes its AVX2 kernels, at half the speed. What it
 * reads while it is loaded is set in the C environment, which `process.env` does not reach from a Worker, and only for so long.
 */
function withSettings<T>(koffi: Koffi, load: () => T): T {
  if (process.platform !== "linux") return load();
  const program = koffi.load(null);
  const getenv = program.func("str getenv(str)") as (name: string) => string | null;
  const setenv = program.func("int setenv(str, str, int)") as (name: string, value: string, replace: number) => number;
  const unsetenv = program.func("int unsetenv(str)") as (name: string) => number;
  const settings: Record<string, string> = { OPENBLAS_NUM_THREADS: "1" };
  if (hasAvx512()) settings["OPENBLAS_CORETYPE"] = "SKYLAKEX";
  const missing = Object.entries(settings).filter(([name]) => getenv(name) === null);
  for (const [name, value] of missing) setenv(name, value, 1);
  try {
    return load();
  } finally {
    for (const [name] of missing) unsetenv(name);
  }
}

function hasAvx512(): boolean {
  try {
    return /^flags\s*:.*\bavx512f\b/m.test(process.getBuiltinModule("node:fs").readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    return false; // no such file: not an x86 Linux
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
