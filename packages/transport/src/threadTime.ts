/** Milliseconds that this thread has computed. Where it has to share its core, that says what it has done, as a clock would not. */
export const threadMs: () => number =
  // Node before 22.19 has none.
  (process as { threadCpuUsage?: unknown }).threadCpuUsage === undefined
    ? () => performance.now()
    : () => {
        const { user, system } = process.threadCpuUsage();
        return (user + system) / 1000;
      };
