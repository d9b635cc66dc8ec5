#!/usr/bin/env node
/** The executable: runs one command line and leaves its exit code. */
import { weftCommand } from "./command/weftCommand.ts";

process.exitCode = await weftCommand(process.argv.slice(2));
// Children's channels and a terminal's input must not keep a finished command alive.
if (process.connected) process.disconnect();
