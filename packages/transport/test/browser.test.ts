/** The face for browsers: it bundles without anything of Node, and passes the suite over the standard WebSocket that Node has too. */
import { build } from "esbuild";
import { expect, test } from "vitest";
import { ConnectionError } from "@weft/transport";
import { connectWebSocket } from "../src/browserSocket.ts";
import { connectionSuite } from "./connectionSuite.ts";
import { loopback } from "./loopback.ts";

connectionSuite(
  "over a browser's WebSocket",
  async (options) => {
    const { onFault, maxMessagesPerSecond, ...shared } = options ?? {};
    const server = await loopback({
      ...shared,
      ...(onFault === undefined ? {} : { onFault }),
      ...(maxMessagesPerSecond === undefined ? {} : { maxMessagesPerSecond }),
    });
    const worker = await connectWebSocket(server.address, { accepts: "coordinator", ...shared });
    return { worker, coordinator: await server.next(), dispose: () => server.close() };
  },
  // Pages may only close with 1000 and 3000..4999.
  { workerCloseCode: (code) => code + 3000 },
);

test("failing to connect is a ConnectionError", async () => {
  const server = await loopback();
  await server.close();
  const error: unknown = await connectWebSocket(server.address, { accepts: "coordinator" }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(ConnectionError);
  expect((error as ConnectionError).code).toBe("unreachable");
});

test("giving up before connecting is told as such", async () => {
  const options = { accepts: "coordinator", signal: AbortSignal.abort() } as const;
  await expect(connectWebSocket("ws://127.0.0.1:9", options)).rejects.toThrow(
    "ws://127.0.0.1:9: connecting was given up",
  );
});

test("the bundle for browsers holds no ws and nothing of Node", async () => {
  const { metafile } = await build({
    stdin: { contents: 'export * from "@weft/transport";', resolveDir: import.meta.dirname, loader: "ts" },
    bundle: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "esm",
    conditions: ["weft-source"],
    logLevel: "silent",
  });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((path) => /transport\/src\/browser\.ts$/.test(path))).toHaveLength(1);
  expect(inputs.filter((path) => /node_modules\/ws\/|node:|msgpackr\/node-index|webSocket/.test(path))).toEqual([]);
});
