/**
 * Opens a BLAS library with koffi. The function also travels to helping threads as text, so it may name nothing that lies
 * outside of it.
 */
import type * as koffiModule from "koffi";
import type { OpenBlas } from "./blas.ts";

export type Koffi = typeof koffiModule;

export function openBlas(koffi: Koffi, path: string): OpenBlas & { readonly library: koffiModule.LibraryHandle } {
  const library = koffi.load(path);
  const declaration =
    "void cblas_sgemm(int, int, int, int, int, int, float, intptr_t, int, intptr_t, int, float, intptr_t, int)";
  return {
    library,
    sgemm: library.func(declaration),
    addressOf: (buffer) => Number(koffi.address(new Uint8Array(buffer))),
  };
}
