/** Addresses of coordinators: checked before anything is opened, and shown without what may be secret in them. */
import { ConnectionError } from "./errors.ts";

/** @throws {ConnectionError} for anything but a ws:// or wss:// URL */
export function parseAddress(address: string): URL {
  const url = URL.parse(address);
  if (url === null || (url.protocol !== "ws:" && url.protocol !== "wss:")) {
    throw new ConnectionError("address", `an address like ws://host:port expected, got ${JSON.stringify(address)}`);
  }
  if (url.hash !== "") throw new ConnectionError("address", `${showAddress(url)}: leave out what follows the #`);
  return url;
}

/** Without user, password and query, which may hold a token. */
export function showAddress(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname === "/" ? "" : url.pathname}`;
}
