/** Messages, schemas, frames and limits of the wire: see README.md. */
export * from "./job.ts";
export * from "./messages.ts";
