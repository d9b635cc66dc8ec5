/** Which backend computes what is asked for: the reference backend until another is set; in a browser none. */
import { defaultBackend } from "#defaultBackend";
import type { Backend } from "./backend.ts";

let current: Backend | undefined;

/** Everything computed from now on runs on `backend`; tensors already computed keep their values. */
export function setBackend(backend: Backend): void {
  current = backend;
}

/** @throws {BackendError} in a browser, when none has been set */
export function currentBackend(): Backend {
  return (current ??= defaultBackend());
}
