/** A token bucket: `perSecond` on average, up to one second's worth at once; Infinity for no limit. */

export interface RateLimit {
  /** Whether one more is within the limit at this moment; counts it if so. */
  admit(nowMs: number): boolean;
}

export function rateLimit(perSecond: number): RateLimit {
  if (perSecond === Infinity) return { admit: () => true };
  let tokens = perSecond;
  let lastMs: number | undefined;
  return {
    admit(nowMs) {
      tokens = Math.min(perSecond, tokens + ((nowMs - (lastMs ?? nowMs)) / 1000) * perSecond);
      lastMs = nowMs;
      if (tokens < 1) return false;
      tokens -= 1;
      return true;
    },
  };
}
