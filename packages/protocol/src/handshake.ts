/** What both sides check and say when a connection begins. */
import { protocolVersion } from "./messages.ts";

/** Why a peer that speaks `version` cannot be understood here, as text for `refused` and logs; undefined when it can. */
export function versionMismatch(version: number): string | undefined {
  if (version === protocolVersion) return undefined;
  return `protocol version ${version} is not spoken here; this side speaks ${protocolVersion}; update the older side`;
}
