/** The backend until another is set, where code costs no loading time. */
export { createReferenceBackend as defaultBackend } from "./backend.ts";
