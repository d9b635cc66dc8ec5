/** Preloaded into a process: when it ends, tells on stderr the most memory that it ever had, all threads together. */
import { isMainThread } from "node:worker_threads";

if (isMainThread) {
  process.on("exit", () => {
    process.stderr.write(`peak ${process.resourceUsage().maxRSS} KiB\n`);
  });
}
