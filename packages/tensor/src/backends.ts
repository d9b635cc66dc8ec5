/** Which backend computes what is asked for: the reference backend until another is set. */
import type { Backend } from "./backend.ts";
import { createReferenceBackend } from "./reference/backend.ts";

let current: Backend | undefined;

/** Everything computed from now on runs on `backend`; tensors already computed keep their values. */
export function setBackend(backend: Backend): void {
  current = backend;
}

export function currentBackend(): Backend {
  return (current ??= createReferenceBackend());
}
