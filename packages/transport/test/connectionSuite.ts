/** What every connection must do, whatever carries it. */
import { afterEach, describe, expect, test } from "vitest";
import { ConnectionError, type Connection, type LinkOptions } from "@weft/transport";
import { committed, fetchRows, inbox, leave, pattern, update, weights, type Received } from "./samples.ts";

export interface ConnectedPair {
  readonly worker: Connection;
  readonly coordinator: Connection;
  dispose(): Promise<void>;
}

export type OpenPair = (options?: Partial<LinkOptions>) => Promise<ConnectedPair>;

const mebibyte = 1024 * 1024;

export interface SuiteOptions {
  /** The code that a coordinator sees when the worker closes with this one. */
  readonly workerCloseCode?: (code: number) => number;
}

export function connectionSuite(name: string, openPair: OpenPair, options: SuiteOptions = {}): void {
  describe(name, () => {
    const opened: ConnectedPair[] = [];
    const open = async (options?: Partial<LinkOptions>) => {
      const pair = await openPair(options);
      opened.push(pair);
      return pair;
    };
    afterEach(async () => {
      for (const pair of opened.splice(0)) await pair.dispose();
    });

    messageTests(open);
    payloadTests(open);
    flowTests(open);
    endingTests(open, options);
  });
}

function messageTests(open: OpenPair): void {
  test("messages arrive in the order sent, in both directions", async () => {
    const { worker, coordinator } = await open();
    const [fromWorker, fromCoordinator] = [inbox(coordinator), inbox(worker)];
    for (let index = 0; index < 200; index++) {
      void worker.send(leave(String(index)));
      void coordinator.send(committed(index));
    }
    for (let index = 0; index < 200; index++) {
      expect((await fromWorker.next()).message).toEqual(leave(String(index)));
      expect((await fromCoordinator.next()).message).toEqual(committed(index));
    }
  });

  test("messages that came before the listener are delivered to it first", async () => {
    const { worker, coordinator } = await open();
    const probe = inbox(worker);
    await worker.send(leave("one"));
    await worker.send(fetchRows(2), pattern(8));
    // An answer proves that both have arrived.
    await coordinator.send(committed(0));
    await probe.next();
    const received = inbox(coordinator);
    await worker.send(leave("three"));
    expect((await received.next()).message).toEqual(leave("one"));
    const second = await received.next();
    expect(second.message).toEqual(fetchRows(2));
    expect(await second.payload?.collect()).toEqual(pattern(8));
    expect((await received.next()).message).toEqual(leave("three"));
  });

  test("a second listener is refused", async () => {
    const { worker } = await open();
    worker.listen(() => undefined);
    expect(() => {
      worker.listen(() => undefined);
    }).toThrow("exactly one listener");
  });

  test("a message that the other side would refuse is rejected before it is sent", async () => {
    const { worker, coordinator } = await open();
    await expect(worker.send(committed(1))).rejects.toThrow("message from a worker: kind");
    await expect(worker.send(leave("x"), pattern(3))).rejects.toThrow("leave: no payload expected, got one of 3 bytes");
    await expect(worker.send(fetchRows(1))).rejects.toThrow("fetch: a payload expected, got none");
    expect(coordinator.stats.receivedBytes).toBe(0);
  });
}

function payloadTests(open: OpenPair): void {
  const sizes = [0, 1, 7, 8, 262_143, 262_144, 262_145, mebibyte, 4 * mebibyte + 3, 20_000_000];
  test.each(sizes)("a payload of %i bytes arrives whole, in both directions", async (bytes) => {
    const { worker, coordinator } = await open();
    const payload = pattern(bytes);
    const [up, down] = [inbox(coordinator), inbox(worker)];
    const sent = Promise.all([worker.send(update(1), payload), coordinator.send(weights(1), payload)]);
    for (const { payload: arriving } of [await up.next(), await down.next()]) {
      expect(arriving?.bytes).toBe(bytes);
      expect(Buffer.compare((await arriving?.collect()) ?? Buffer.of(1), payload)).toBe(0);
    }
    await sent;
  });

  test("a payload in several parts arrives as one, in chunks of at most 256 KiB", async () => {
    const { worker, coordinator } = await open();
    const payload = pattern(2 * mebibyte);
    const cuts = [0, 1, 1, 100, 262_144, 262_150, 1_000_000, payload.length];
    const parts = cuts.slice(1).map((end, index) => payload.subarray(cuts[index], end));
    const received = inbox(coordinator);
    void worker.send(update(1), parts);
    const chunks: Uint8Array[] = [];
    for await (const chunk of (await received.next()).payload?.chunks() ?? []) chunks.push(chunk);
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBe(262_144);
    expect(Buffer.compare(Buffer.concat(chunks), payload)).toBe(0);
  });

  test("one array can be sent by many connections at once", async () => {
    const payload = pattern(3 * mebibyte);
    const pairs = await Promise.all([open(), open(), open()]);
    const inboxes = pairs.map(({ worker }) => inbox(worker));
    for (const { coordinator } of pairs) void coordinator.send(weights(1), payload);
    for (const received of inboxes) {
      expect(Buffer.compare((await (await received.next()).payload?.collect()) ?? Buffer.of(), payload)).toBe(0);
    }
  });

  test("more payloads than may be under way at once all arrive, in order", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    for (let request = 0; request < 50; request++) void worker.send(fetchRows(request), pattern(100_000, request));
    void worker.send(leave("last"));
    for (let request = 0; request < 50; request++) {
      const { message, payload } = await received.next();
      expect(message).toEqual(fetchRows(request));
      expect(Buffer.compare((await payload?.collect()) ?? Buffer.of(), pattern(100_000, request))).toBe(0);
    }
    expect((await received.next()).message).toEqual(leave("last"));
  });
}

function flowTests(open: OpenPair): void {
  test("later messages pass between the chunks of a payload, and payloads take turns", async () => {
    const { worker, coordinator } = await open();
    const finished: string[] = [];
    const received = inbox(coordinator);
    void worker.send(update(1), pattern(20 * mebibyte));
    void worker.send(update(2), pattern(mebibyte));
    void worker.send(leave("small"));
    const [large, medium, small] = [await received.next(), await received.next(), await received.next()];
    expect(small.message).toEqual(leave("small"));
    const read = async ({ payload }: Received, name: string) => {
      await payload?.collect();
      finished.push(name);
    };
    await Promise.all([read(large, "large"), read(medium, "medium")]);
    expect(finished).toEqual(["medium", "large"]);
  });

  test("a consumer that does not read stops the sender, with bounded buffering", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    const progress = track(worker.send(update(1), new Uint8Array(40 * mebibyte)));
    const chunks = (await received.next()).payload?.chunks()[Symbol.asyncIterator]();
    expect(await sentWhenStuck()).toBeLessThan(1.1 * mebibyte);
    await chunks?.next();
    const sentBytes = await sentWhenStuck();
    expect(sentBytes).toBeGreaterThan(4 * mebibyte);
    expect(sentBytes).toBeLessThan(4.5 * mebibyte);
    expect(progress.done).toBe(false);
    while ((await chunks?.next())?.done !== true);
    await progress.promise;

    /** Messages still pass while the payload is stuck; it is stuck when several of them add nothing but themselves. */
    async function sentWhenStuck(): Promise<number> {
      let before = -Infinity;
      while (worker.stats.sentBytes - before > 1000) {
        before = worker.stats.sentBytes;
        for (let count = 0; count < 5; count++) {
          void worker.send(leave("probe"));
          await received.next();
        }
      }
      return before;
    }
  });

  test("heartbeats pass during an upload of 100 MB", async () => {
    const { worker, coordinator } = await open({ heartbeatMs: 20 });
    const gaps: number[] = [];
    const received = inbox(coordinator);
    const upload = track(worker.send(update(1), new Uint8Array(100e6)));
    const reading = received.next().then(async ({ payload }) => {
      for await (const chunk of payload?.chunks() ?? []) if (chunk.length === 0) throw new Error("empty chunk");
    });
    let before = performance.now();
    while (!upload.done) {
      await worker.send(leave("beat"));
      await received.next();
      gaps.push(performance.now() - before);
      before = performance.now();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reading;
    const worst = Math.max(...gaps);
    console.log(`${gaps.length} messages passed beside 100 MB, the slowest in ${worst.toFixed(1)} ms`);
    expect(gaps.length).toBeGreaterThan(3);
    expect(worst).toBeLessThan(1000);
  });

  test("a discarded payload does not hold up the sender", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    const sent = worker.send(update(1), new Uint8Array(20 * mebibyte));
    (await received.next()).payload?.discard();
    await sent;
    await worker.send(update(2), pattern(10));
    expect(await (await received.next()).payload?.collect()).toEqual(pattern(10));
  });

  test("a reader that stops early lets the rest go by", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    const sent = worker.send(update(1), new Uint8Array(20 * mebibyte));
    for await (const chunk of (await received.next()).payload?.chunks() ?? []) {
      expect(chunk.length).toBe(262_144);
      break;
    }
    await sent;
  });

  test("a payload that its sender gives up ends at both sides, and the link goes on", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    const giving = new AbortController();
    const sent = worker.send(update(1), new Uint8Array(20 * mebibyte), { signal: giving.signal });
    const chunks = (await received.next()).payload?.chunks()[Symbol.asyncIterator]();
    await chunks?.next();
    giving.abort();
    await expect(sent).rejects.toThrow("sending update was given up");
    await expect(
      (async () => {
        while ((await chunks?.next())?.done !== true);
      })(),
    ).rejects.toThrow("the sender gave up the payload");
    void worker.send(update(2), pattern(2 * mebibyte));
    expect(
      Buffer.compare((await (await received.next()).payload?.collect()) ?? Buffer.of(), pattern(2 * mebibyte)),
    ).toBe(0);
  });

  test("payloads that wait or are whole are given up without a trace on the wire, or not at all", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    for (let request = 0; request < 16; request++) void worker.send(update(request), pattern(2 * mebibyte));
    const giving = new AbortController();
    const waiting = worker.send(fetchRows(99), pattern(10), { signal: giving.signal });
    giving.abort();
    await expect(waiting).rejects.toThrow("given up");
    await expect(worker.send(fetchRows(98), pattern(10), { signal: giving.signal })).rejects.toThrow("given up");
    for (let request = 0; request < 16; request++) (await received.next()).payload?.discard();
    const late = new AbortController();
    await worker.send(fetchRows(17), pattern(10), { signal: late.signal });
    late.abort();
    const { message, payload } = await received.next();
    expect(message).toEqual(fetchRows(17));
    expect(await payload?.collect()).toEqual(pattern(10));
  });

  test("a payload can be read only once", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    void worker.send(update(1), pattern(10));
    const { payload } = await received.next();
    await payload?.collect();
    await expect(payload?.collect()).rejects.toThrow("only once");
  });
}

function endingTests(open: OpenPair, { workerCloseCode = (code) => code }: SuiteOptions): void {
  test("closing tells both sides the code and the reason", async () => {
    const { worker, coordinator } = await open();
    coordinator.close(1000, "the run is over");
    expect(await worker.closed).toEqual({ code: 1000, reason: "the run is over" });
    expect(await coordinator.closed).toEqual({ code: 1000, reason: "the run is over" });
  });

  test("what was sent before closing still arrives", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(worker);
    void coordinator.send(committed(7));
    coordinator.close(1000, "bye");
    expect((await received.next()).message).toEqual(committed(7));
    await worker.closed;
  });

  test("closing in the middle of a payload rejects the send and the reading, and later sends", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    const sent = worker.send(update(1), new Uint8Array(30 * mebibyte));
    const { payload } = await received.next();
    const reading = payload?.collect();
    const failures = [expect(sent).rejects.toThrow(ConnectionError), expect(reading).rejects.toThrow(ConnectionError)];
    worker.close(1001, "going away");
    await Promise.all(failures);
    await expect(worker.send(leave("late"))).rejects.toThrow("the connection was closed (1001 going away)");
    expect((await coordinator.closed).code).toBe(workerCloseCode(1001));
  });

  test("a payload that was complete before the end stays readable", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    await worker.send(update(1), pattern(500_000));
    await worker.send(leave("bye"));
    const { payload } = await received.next();
    await received.next();
    coordinator.close(1000, "done");
    await coordinator.closed;
    expect(Buffer.compare((await payload?.collect()) ?? Buffer.of(), pattern(500_000))).toBe(0);
  });

  test("what came of a payload before the end can be read, then the reader is told", async () => {
    const { worker, coordinator } = await open();
    const received = inbox(coordinator);
    const payload = pattern(3 * mebibyte);
    worker.send(update(1), payload).catch(() => undefined);
    await worker.send(leave("bye"));
    const incoming = (await received.next()).payload;
    await received.next();
    worker.close(1001, "going away");
    await coordinator.closed;
    const chunks: Uint8Array[] = [];
    const reading = (async () => {
      for await (const chunk of incoming?.chunks() ?? []) chunks.push(chunk);
    })();
    await expect(reading).rejects.toThrow(ConnectionError);
    const arrived = Buffer.concat(chunks);
    // As much as was granted before anyone read.
    expect(arrived.length).toBe(mebibyte);
    expect(Buffer.compare(arrived, payload.subarray(0, mebibyte))).toBe(0);
  });

  test("a listener that throws ends its own connection and is reported", async () => {
    const faults: unknown[] = [];
    const { worker, coordinator } = await open({ onFault: ({ cause }) => faults.push(cause) });
    const mistake = new Error("a mistake in the listener");
    coordinator.listen(() => {
      throw mistake;
    });
    void worker.send(leave("x"));
    expect(await worker.closed).toEqual({ code: 1011, reason: "internal error" });
    expect(faults).toEqual([mistake]);
  });

  test("a flood of messages is closed with 1008", async () => {
    const { worker, coordinator } = await open({ maxMessagesPerSecond: 50 });
    coordinator.listen(() => undefined);
    for (let index = 0; index < 200; index++) void worker.send(leave("x"));
    expect(await worker.closed).toEqual({ code: 1008, reason: "more than 50 messages a second" });
  });
}

/** A promise, and whether it has been kept yet. */
function track(promise: Promise<void>): { readonly done: boolean; readonly promise: Promise<void> } {
  const tracked = { done: false, promise: promise.then(() => void (tracked.done = true)) };
  return tracked;
}
