/**
 * How long the turns of this process's event loop take, on the clock and of its own thread's computing: the latter says what
 * the process is answerable for, whoever else wants the cores. A timer fires at most once in a turn, so what passes between two
 * firings is a whole turn at least.
 */
export interface TurnFigures {
  /** Between two timers, beyond the millisecond they are set to. */
  readonly mostMs: number;
  readonly mostCpuMs: number;
  readonly p99CpuMs: number;
}

/** Starts to measure; what it returns tells the figures since it was asked last. */
export function meterTurns(): () => TurnFigures {
  let wall = 0;
  let cpu: number[] = [];
  let [beforeMs, beforeCpu] = [performance.now(), process.threadCpuUsage()];
  const timer = setInterval(() => {
    const [nowMs, nowCpu] = [performance.now(), process.threadCpuUsage()];
    wall = Math.max(wall, nowMs - beforeMs - 1);
    cpu.push((nowCpu.user + nowCpu.system - beforeCpu.user - beforeCpu.system) / 1000);
    [beforeMs, beforeCpu] = [nowMs, nowCpu];
  }, 1);
  timer.unref();
  return () => {
    const sorted = cpu.sort((a, b) => a - b);
    const figures = {
      mostMs: wall,
      mostCpuMs: sorted.at(-1) ?? 0,
      p99CpuMs: sorted[Math.floor(0.99 * sorted.length)] ?? 0,
    };
    [wall, cpu] = [0, []];
    return figures;
  };
}
