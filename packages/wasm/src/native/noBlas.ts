/** Where there is no way to call native code, as in a browser: there is no BLAS library. */
import type { Blas, BlasChoice } from "./blas.ts";
import { BlasError } from "./blas.ts";

export function findBlas(choice: BlasChoice): Blas | undefined {
  if (choice === "off" || choice === "auto") return undefined;
  throw new BlasError(
    `expected "off" or "auto", got the library ${choice}: native code cannot be called here; leave the option out`,
  );
}
