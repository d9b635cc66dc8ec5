/** A model of a gigabyte over a real socket, both ways: whole, in order, and with no more memory than the window of a transfer. */
import { createHash } from "node:crypto";
import { connectWebSocket, type Connection, type OutgoingPayload } from "@weft/transport";
import { expect, test } from "vitest";
import { loopback } from "./loopback.ts";
import { inbox, pattern, update, weights } from "./samples.ts";

const mebibyte = 2 ** 20;
/** 250 million f32. */
const bytes = 1_000_000_000;

/** The gigabyte, from a mebibyte of memory. */
function gigabyte(): OutgoingPayload {
  const part = pattern(mebibyte);
  const whole = Math.floor(bytes / mebibyte);
  return [...Array.from({ length: whole }, () => part), part.subarray(0, bytes - whole * mebibyte)];
}

const hashOf = (parts: readonly Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return hash.digest("hex");
};

async function received(connection: Connection): Promise<{ readonly hash: string; readonly bytes: number }> {
  const { payload } = await inbox(connection).next();
  const hash = createHash("sha256");
  let count = 0;
  for await (const chunk of payload?.chunks() ?? []) {
    hash.update(chunk);
    count += chunk.length;
  }
  return { hash: hash.digest("hex"), bytes: count };
}

test.each(["up", "down"] as const)(
  "a gigabyte passes %s in little memory, and heartbeats pass with it",
  async (way) => {
    const server = await loopback({ heartbeatMs: 20, missedHeartbeats: 500 });
    const worker = await connectWebSocket(server.address, {
      accepts: "coordinator",
      heartbeatMs: 20,
      missedHeartbeats: 500,
    });
    const coordinator = await server.next();
    const payload = gigabyte();
    const before = process.memoryUsage().rss;
    let peak = before;
    const beats: number[] = [];
    const watch = setInterval(() => {
      peak = Math.max(peak, process.memoryUsage().rss);
      const { roundTripMs } = worker.stats;
      if (roundTripMs !== undefined && roundTripMs !== beats.at(-1)) beats.push(roundTripMs);
    }, 5);
    const reading = received(way === "up" ? coordinator : worker);
    await (way === "up" ? worker.send(update(1), payload) : coordinator.send(weights(1), payload));
    expect(await reading).toEqual({ bytes, hash: hashOf(payload as readonly Uint8Array[]) });
    clearInterval(watch);
    const slow = beats.toSorted((a, b) => a - b)[Math.floor(0.99 * beats.length)] ?? NaN;
    console.log(
      `${beats.length} heartbeats, 99 % within ${slow.toFixed(1)} ms; ${((peak - before) / mebibyte).toFixed(0)} MiB added`,
    );
    expect(beats.length).toBeGreaterThan(20);
    expect((peak - before) / mebibyte).toBeLessThan(128);
    worker.close(1000, "done");
    await server.close();
  },
);

test("more than a gigabyte is refused before it is sent, and when it is announced", async () => {
  const server = await loopback();
  const worker = await connectWebSocket(server.address, { accepts: "coordinator" });
  const part = new Uint8Array(mebibyte);
  const tooMuch = Array.from({ length: 1025 }, () => part);
  await expect(worker.send(update(1), tooMuch)).rejects.toThrow(
    "update: a payload of at most 1073741824 bytes expected",
  );
  worker.close(1000, "done");
  await server.close();
});
