/** The least that moves bytes over the `ws` package: messages of one size, as many under way as keep the socket busy. */
import type { WebSocket } from "ws";

const bufferedLimit = 4 * 2 ** 20;

/** Sends `bytes` and returns once the other side has confirmed all of them. */
export async function sendRaw(socket: WebSocket, bytes: number, messageBytes: number): Promise<void> {
  const message = Buffer.alloc(messageBytes, 7);
  const confirmed = new Promise<void>((resolve) => {
    socket.once("message", () => {
      resolve();
    });
  });
  for (let sent = 0; sent < bytes; sent += messageBytes) {
    const passed = new Promise<void>((resolve, reject) => {
      socket.send(message, (error?: Error | null) => {
        if (error) reject(error);
        else resolve();
      });
    });
    if (socket.bufferedAmount > bufferedLimit) await passed;
  }
  await confirmed;
}

/** Confirms every `bytes` bytes that have come. */
export function confirmRaw(socket: WebSocket, bytes: () => number): void {
  let received = 0;
  socket.on("message", (data: Buffer, isBinary: boolean) => {
    if (!isBinary) return;
    received += data.length;
    if (received < bytes()) return;
    received -= bytes();
    socket.send("all there");
  });
}
