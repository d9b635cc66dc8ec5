#!/usr/bin/env node
/** The executable: runs one command line and leaves its exit code. */
import { setFlagsFromString } from "node:v8";
import { weftCommand } from "./command/weftCommand.ts";

// Every round allocates some vectors of the model's size and drops them. Counted apart from the heap, they make V8 collect the
// old generation every round (211 times in 200 rounds of MNIST); counted with it, scavenges free them (twice).
setFlagsFromString("--external-memory-accounted-in-global-limit");

// Whoever read our lines has gone (as in `weft runs | head`): end quietly, with the code a shell gives to a broken pipe.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(141);
  throw error;
});

process.exitCode = await weftCommand(process.argv.slice(2));
// Children's channels and a terminal's input must not keep a finished command alive.
if (process.connected) process.disconnect();
