/** A request as the API sees it, and the reading of its body up to a limit. */
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import type { PageRequest } from "../options.ts";
import { ApiError } from "./apiError.ts";

export interface HttpRequest extends PageRequest {
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  /** @throws {ApiError} when it is longer than any that is expected */
  readonly body: () => Promise<string>;
}

const maxBodyBytes = 64 * 1024;

export async function readBody(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBodyBytes) {
      throw new ApiError(413, "too-large", `a body of at most ${maxBodyBytes} bytes expected, got more`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts).toString("utf8");
}
