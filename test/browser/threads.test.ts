/** In Chromium, on a page that is isolated from other origins, threads compute the same bits as one; elsewhere there is one. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Server } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { chromiumPath, launchChromium } from "../support/chromium.ts";

/** What the page's Worker reports. */
interface Report {
  readonly threads: number;
  readonly equal: boolean;
  readonly product: number;
}

/** Runs in a Worker of the page, bundled and minified as an application would be. */
const workerScript = `
  import { trace } from "@weft/tensor";
  import { createWasmBackend } from "@weft/wasm";
  const type = { shape: [256, 256], dtype: "f32" };
  const product = trace((x, w) => x.matmul(w), [type, type]);
  const x = Float32Array.from({ length: 65536 }, (_, i) => Math.sin(i));
  const w = Float32Array.from({ length: 65536 }, (_, i) => Math.cos(i));
  const backends = [createWasmBackend(), createWasmBackend({ threads: 3 })];
  // Threads of a browser start only once this one gives way.
  await new Promise((resolve) => setTimeout(resolve, 300));
  const [one, many] = backends.map((backend) => {
    const executable = backend.compile(product);
    let result;
    for (let i = 0; i < 200; i++) [result] = executable.run([x, w]);
    return result;
  });
  await new Promise((resolve) => setTimeout(resolve, 100)); // a thread that failed has said so by then
  postMessage({ threads: backends[1].threads, equal: one.every((value, i) => value === many[i]), product: one[7] });`;

const page = `<!doctype html><meta charset="utf-8"><script type="module">
  const worker = new Worker("worker.js", { type: "module" });
  worker.onmessage = ({ data }) => { globalThis.report = data; };
  worker.onerror = ({ message }) => { globalThis.report = message; };
</script>`;

const isolation = {
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
};

let server: Server | undefined;
let browser: Browser | undefined;

// On a developer's machine Chromium may be missing; in CI that is a failure.
const skip = chromiumPath === undefined && process.env["CI"] === undefined;

beforeAll(async () => {
  if (skip) return;
  const { outputFiles } = await build({
    stdin: { contents: workerScript, resolveDir: fileURLToPath(new URL("../../packages/weft", import.meta.url)) },
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    conditions: ["weft-source"],
  });
  const script = outputFiles[0]?.text ?? "";
  const listening = createServer(({ url = "" }, response) => {
    const headers = url.startsWith("/isolated/") ? isolation : {};
    const isScript = url.endsWith(".js");
    response.writeHead(200, { ...headers, "content-type": isScript ? "text/javascript" : "text/html" });
    response.end(isScript ? script : page);
  });
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  server = listening;
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  server?.close();
});

async function reportOf(path: string): Promise<Report> {
  const { port } = server!.address() as AddressInfo;
  const tab = await browser!.newPage();
  await tab.goto(`http://127.0.0.1:${port}${path}`);
  const report = await tab.waitForFunction(() => (globalThis as { report?: Report }).report);
  return (await report.jsonValue()) as Report;
}

test.skipIf(skip)("three threads of an isolated page compute the bits of one (needs Chromium)", async () => {
  const { threads, equal, product } = await reportOf("/isolated/");
  expect({ threads, equal }).toEqual({ threads: 3, equal: true });
  expect(product).not.toBe(0);
});

test.skipIf(skip)("without isolation one thread computes, and the backend says so (needs Chromium)", async () => {
  expect(await reportOf("/plain/")).toMatchObject({ threads: 1, equal: true });
});
