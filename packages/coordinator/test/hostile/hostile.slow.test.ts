/** A hostile network against a real listening coordinator: each attacker is shown out, and nobody else notices. */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { encodeFrame } from "@weft/protocol";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { attacks, ending, hello, open } from "./attacks.ts";
import type { HostReport } from "./host.ts";
import { mutate, mutations } from "./mutate.ts";

const mebibyte = 2 ** 20;
const plainPrototype = Reflect.ownKeys(Object.prototype).map(String);
let host: ChildProcess;
let url = "";

const said = <T>() => new Promise<T>((resolve) => host.once("message", (message) => resolve(message as T)));

beforeAll(async () => {
  const execArgv = ["--conditions=weft-source", "--import", import.meta.resolve("tsx")];
  host = fork(fileURLToPath(new URL("host.ts", import.meta.url)), { execArgv });
  url = await said<string>();
});
afterAll(() => host.disconnect());

async function report(): Promise<HostReport> {
  const answered = said<HostReport>();
  host.send("report");
  return answered;
}

/** Waits until the honest workers have had so many more rounds. */
async function roundsGoOn(count: number): Promise<void> {
  const { rounds } = await report();
  while ((await report()).rounds < rounds + count) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** Carries out the attack several times over, and checks that all goes on as before. */
async function unharmed(attack: () => Promise<void>): Promise<void> {
  await roundsGoOn(3);
  const before = await report();
  await attack();
  await roundsGoOn(3);
  const after = await report();
  expect(after.unhandled).toEqual([]);
  expect(after.prototypeKeys).toEqual(plainPrototype);
  expect((after.peakBytes - before.peakBytes) / mebibyte).toBeLessThan(64);
  expect(after.longestGapMs).toBeLessThan(3000);
}

describe("a coordinator under attack", () => {
  test.each(attacks)("shows out $what", async ({ run, expected, withinMs = 30_000 }) => {
    await unharmed(async () => {
      const startedMs = performance.now();
      const endings = await Promise.all(Array.from({ length: 8 }, () => run(url)));
      for (const end of endings) expect(expected).toContain(end);
      expect(performance.now() - startedMs).toBeLessThan(withinMs);
    });
  });

  test("outlives two thousand mutated frames, each over a connection of a worker that was let in", async () => {
    const random = mutations(20);
    await unharmed(async () => {
      for (let batch = 0; batch < 50; batch++) {
        await Promise.all(Array.from({ length: 40 }, () => sendMutated(random)));
      }
    });
  });
});

async function sendMutated(random: (below: number) => number): Promise<void> {
  const socket = await open(url);
  const end = ending(socket);
  socket.send(encodeFrame({ frame: "message", message: hello() }));
  socket.send(mutate(random));
  // A mutation may be harmless.
  socket.close(1000, "");
  await end;
}
