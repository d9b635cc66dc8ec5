/** What a request says of where it comes from, and what an address beyond this machine asks for. */
import type { IncomingHttpHeaders } from "node:http";
import { isIP } from "node:net";
import { ListenError } from "../errors.ts";
import type { ListenOptions } from "../options.ts";

/** The token of an `authorization: Bearer …` header. */
export function bearerOf({ authorization }: IncomingHttpHeaders): string | undefined {
  return /^Bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
}

/** @throws {ListenError} for an address beyond this machine that nothing guards */
export function checkExposure({ token, tokens = [], allowOpen }: ListenOptions, host: string): void {
  const isGuarded = token !== undefined || tokens.some(({ role }) => role === "worker");
  if (isLoopback(host) || isGuarded || allowOpen === true) return;
  throw new ListenError(
    `listening on ${host} lets in anyone who reaches this machine; give a token (--token), or allow it on purpose (allowOpen; --open)`,
  );
}

/** Whether what is sent to this address can be read on the way. */
export const travelsInClear = ({ tls }: ListenOptions, host: string) => tls === undefined && !isLoopback(host);

export const isLoopback = (host: string) =>
  host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));

/** Programs send no origin; pages always do, and may only come from this very server or from listed ones. */
export function originAllowed(headers: IncomingHttpHeaders, options: ListenOptions): boolean {
  const { allowedOrigins = [], host, token } = options;
  const { origin, host: asked = "" } = headers;
  if (origin === undefined || allowedOrigins.includes(origin)) return true;
  const url = URL.parse(origin);
  if (url?.host !== asked) return false;
  // A name that someone else's server made point at this machine must not pass for it.
  const open = token === undefined && isLoopback(host ?? "127.0.0.1");
  return !open || isLoopback(bareHost(url.hostname));
}

/** Whether the request asked for this machine by a name that only this machine has. */
export const askedForLoopback = ({ host = "" }: IncomingHttpHeaders) =>
  isLoopback(bareHost(URL.parse(`http://${host}`)?.hostname ?? ""));

const bareHost = (hostname: string) => hostname.replace(/^\[(.*)\]$/, "$1");
