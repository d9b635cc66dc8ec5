/** What one address may take up: connections at once, and connections and requests a second. */
import { RateLimit } from "@weft/transport";
import type { AddressLimitOptions } from "../options.ts";
import { isLoopback } from "./exposure.ts";

export interface AddressLimits {
  /** Counts a connection in; why not, as text. */
  connect(address: string): string | undefined;
  disconnect(address: string): void;
  /** Whether one more request is within the limit. */
  request(address: string): boolean;
}

interface Usage {
  connections: number;
  readonly connecting: RateLimit;
  readonly requests: RateLimit;
}

/** What an address beyond this machine is given where nothing is said; programs of this machine are only counted in all. */
const defaults = { connections: 256, connectionsPerSecond: 50, requestsPerSecond: 50 } as const;

/** Addresses remembered; of those without a connection the one seen longest ago is forgotten first. */
const rememberedAddresses = 10_000;

export function addressLimits(options: AddressLimitOptions, nowMs: () => number): AddressLimits {
  const usages = new Map<string, Usage>();
  const limitOf = (name: keyof typeof defaults, address: string) =>
    options[name] ?? (isLoopback(address) ? Infinity : defaults[name]);
  const usageOf = (remote: string): Usage => {
    const address = networkOf(remote);
    const usage = usages.get(address) ?? {
      connections: 0,
      connecting: new RateLimit(limitOf("connectionsPerSecond", address)),
      requests: new RateLimit(limitOf("requestsPerSecond", address)),
    };
    usages.delete(address);
    usages.set(address, usage);
    forgetOldest(usages);
    return usage;
  };
  return {
    connect(remote) {
      const usage = usageOf(remote);
      const most = limitOf("connections", networkOf(remote));
      if (usage.connections >= most) return `all ${most} connections of this address are taken`;
      if (!usage.connecting.admit(nowMs())) return "too many connections a second from this address";
      usage.connections += 1;
      return undefined;
    },
    disconnect(remote) {
      usageOf(remote).connections -= 1;
    },
    request: (remote) => usageOf(remote).requests.admit(nowMs()),
  };
}

function forgetOldest(usages: Map<string, Usage>): void {
  if (usages.size <= rememberedAddresses) return;
  for (const [address, { connections }] of usages) {
    if (connections > 0) continue;
    usages.delete(address);
    return;
  }
}

/** Whoever has one IPv6 address has 2^64 of them, so those count as one; IPv4 in IPv6's clothes is IPv4. */
function networkOf(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!address.includes(":") || address === "::1") return address;
  const [head = "", tail] = address.split("::");
  const first = head.split(":").filter(Boolean);
  const last = tail === undefined ? [] : tail.split(":").filter(Boolean);
  const groups = [...first, ...Array.from({ length: Math.max(0, 8 - first.length - last.length) }, () => "0"), ...last];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
