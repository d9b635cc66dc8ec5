/**
 * How long the turns of this process's event loop take, on the clock and of its own thread's computing: the latter says what
 * the process is answerable for, whoever else wants the cores. A timer fires at most once in a turn, so what passes between two
 * firings is a whole turn at least.
 *
 * Beside each turn the machine itself is measured: a thousand reads, a page apart, of memory that is held all along. On a virtual
 * machine whose host takes memory back they take fifty times as long now and then, and so does whatever a process does then.
 */
export interface TurnFigures {
  /** Between two timers, beyond the millisecond they are set to. */
  readonly mostMs: number;
  readonly mostCpuMs: number;
  readonly p99CpuMs: number;
  /** The most that was computed in a turn beside which memory was as it mostly is. */
  readonly usualMostCpuMs: number;
  /** Turns beside which it was not; and how many times their median the reads took at most. */
  readonly slowTurns: number;
  readonly slowest: number;
}

interface Turn {
  readonly cpuMs: number;
  readonly controlMs: number;
}

/** Reads that take so many times their median, or more, are not as usual. */
const slowFactor = 10;

const pageElements = 4096 / Float64Array.BYTES_PER_ELEMENT;
const pagesRead = 1000;
const held = new Float64Array(8 * pagesRead * pageElements).fill(1);
let [place, sum] = [0, 0];

/** Milliseconds that the reads took; each time they are of other pages. */
function readHeldMemory(): number {
  const began = performance.now();
  for (let i = 0; i < pagesRead; i++) {
    place = (place + 97 * pageElements + 1) % held.length;
    sum += held[place]!;
  }
  const ms = performance.now() - began;
  // So that they are really made.
  return sum === 0 ? 0 : ms;
}

/** Starts to measure; what it returns tells the figures since it was asked last. */
export function meterTurns(): () => TurnFigures {
  let wall = 0;
  let turns: Turn[] = [];
  // Until compiled, the reads take longer than memory does.
  for (let i = 0; i < 100; i++) readHeldMemory();
  let [beforeMs, beforeCpu] = [performance.now(), process.threadCpuUsage()];
  const timer = setInterval(() => {
    const [nowMs, nowCpu] = [performance.now(), process.threadCpuUsage()];
    wall = Math.max(wall, nowMs - beforeMs - 1);
    const cpuMs = (nowCpu.user + nowCpu.system - beforeCpu.user - beforeCpu.system) / 1000;
    // Of two: one of them may have waited for a core.
    turns.push({ cpuMs, controlMs: Math.min(readHeldMemory(), readHeldMemory()) });
    [beforeMs, beforeCpu] = [performance.now(), process.threadCpuUsage()];
  }, 1);
  timer.unref();
  return () => {
    const figures = { mostMs: wall, ...figuresOf(turns) };
    [wall, turns] = [0, []];
    return figures;
  };
}

function figuresOf(turns: readonly Turn[]): Omit<TurnFigures, "mostMs"> {
  const cpu = turns.map(({ cpuMs }) => cpuMs).sort((a, b) => a - b);
  const control = turns.map(({ controlMs }) => controlMs).sort((a, b) => a - b);
  const usualMs = control[control.length >> 1] ?? 0;
  const usual = turns.filter(({ controlMs }) => controlMs < slowFactor * usualMs);
  return {
    mostCpuMs: cpu.at(-1) ?? 0,
    p99CpuMs: cpu[Math.floor(0.99 * cpu.length)] ?? 0,
    usualMostCpuMs: usual.reduce((most, { cpuMs }) => Math.max(most, cpuMs), 0),
    slowTurns: turns.length - usual.length,
    slowest: (control.at(-1) ?? 0) / usualMs,
  };
}
