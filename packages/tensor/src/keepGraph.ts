/** Whether evaluated tensors must keep the graph behind them: so while a function that is being differentiated runs. */

let depth = 0;

export const graphIsKept = (): boolean => depth > 0;

/** Runs a function; tensors that it reads stay connected to what they were computed from. */
export function keepingGraph<R>(run: () => R): R {
  depth++;
  try {
    return run();
  } finally {
    depth--;
  }
}
