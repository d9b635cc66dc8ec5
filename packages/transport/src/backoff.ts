/** How long to wait before connecting again: doubling, capped, with jitter so that a crowd does not return all at once. */

export interface BackoffLimits {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const defaultBackoff: BackoffLimits = { firstMs: 500, maxMs: 30_000 };

/**
 * Milliseconds before attempt number `attempt` (0 is the first one after a loss).
 *
 * @param random uniform in [0, 1)
 * @returns between half of min(firstMs · 2^attempt, maxMs) and the whole of it
 */
export function backoffDelay(attempt: number, random: () => number, limits: BackoffLimits = defaultBackoff): number {
  const ceiling = Math.min(limits.firstMs * 2 ** attempt, limits.maxMs);
  return (ceiling / 2) * (1 + random());
}
