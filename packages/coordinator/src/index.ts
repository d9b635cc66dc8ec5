/** The coordinator of a run: see README.md. */
export * from "./coordinator.ts";
export * from "./events.ts";
export * from "./options.ts";
