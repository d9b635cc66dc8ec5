/** Connections over a browser's own WebSocket. */
import { parseAddress, showAddress } from "./address.ts";
import { BrowserCarrier } from "./browserCarrier.ts";
import { systemClock } from "./clock.ts";
import type { ConnectOptions } from "./connectOptions.ts";
import type { Connection } from "./connection.ts";
import { ConnectionError } from "./errors.ts";
import { Link } from "./link.ts";

/**
 * Opens a connection to ws:// or wss:// `address`.
 *
 * @throws {ConnectionError} when there is none; browsers do not tell pages why
 */
export async function connectWebSocket(address: string, options: ConnectOptions): Promise<Connection> {
  const url = parseAddress(address);
  const remote = showAddress(url);
  const socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  try {
    await opened(socket, remote, options);
  } catch (error) {
    socket.close();
    throw error;
  }
  const carrier = new BrowserCarrier(socket, { remote, clock: options.clock ?? systemClock });
  const link = new Link(carrier, options);
  carrier.attach(link);
  return link;
}

function opened(socket: WebSocket, remote: string, options: ConnectOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const clock = options.clock ?? systemClock;
    const timer = clock.setTimer(() => {
      settle(new ConnectionError("timeout", `${remote}: no answer in time`));
    }, options.timeoutMs ?? 10_000);
    const abort = () => {
      settle(new ConnectionError("aborted", `${remote}: connecting was given up`));
    };
    const settle = (error?: ConnectionError) => {
      clock.clearTimer(timer);
      options.signal?.removeEventListener("abort", abort);
      if (error === undefined) resolve();
      else reject(error);
    };
    if (options.signal?.aborted === true) abort();
    options.signal?.addEventListener("abort", abort);
    socket.addEventListener("open", () => {
      settle();
    });
    socket.addEventListener("error", () => {
      settle(
        new ConnectionError(
          "unreachable",
          `${remote}: no connection; is the coordinator running, and does it admit this page?`,
        ),
      );
    });
  });
}
