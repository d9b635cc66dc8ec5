/** Bytes moved between rounds, over connections that come and go. */
import type { Connection } from "@weft/transport";

export class Traffic {
  readonly #live = new Set<Connection>();
  /** Of connections that have ended. */
  #receivedBytes = 0;
  #sentBytes = 0;
  #lastUp = 0;
  #lastDown = 0;

  add(connection: Connection): void {
    this.#live.add(connection);
    void connection.closed.then(() => {
      this.#live.delete(connection);
      this.#receivedBytes += connection.stats.receivedBytes;
      this.#sentBytes += connection.stats.sentBytes;
    });
  }

  /** Bytes received and sent since the call before. */
  sinceLast(): { readonly bytesUp: number; readonly bytesDown: number } {
    let up = this.#receivedBytes;
    let down = this.#sentBytes;
    for (const { stats } of this.#live) {
      up += stats.receivedBytes;
      down += stats.sentBytes;
    }
    const since = { bytesUp: up - this.#lastUp, bytesDown: down - this.#lastDown };
    this.#lastUp = up;
    this.#lastDown = down;
    return since;
  }
}
