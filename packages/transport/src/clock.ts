/** Time as transport, worker and coordinator see it, so that tests and the simulator can run them on a virtual clock. */

export interface Clock {
  /** Milliseconds from any fixed moment. */
  now(): number;
  /** Calls once after `ms`; the result is for `clearTimer` only. */
  setTimer(callback: () => void, ms: number): unknown;
  clearTimer(timer: unknown): void;
}

export const systemClock: Clock = {
  now: () => performance.now(),
  setTimer: (callback, ms) => setTimeout(callback, ms),
  clearTimer: (timer) => {
    clearTimeout(timer as ReturnType<typeof setTimeout>);
  },
};
