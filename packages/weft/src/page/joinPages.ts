/** The page a volunteer opens: `/join` says what will be computed and, after a click, trains in a Worker. */
import type { PageHandler } from "@weft/coordinator";
import { bundleScript } from "./bundleScript.ts";
import type { JoinPageFacts } from "./joinHtml.ts";
import { joinHtml } from "./joinHtml.ts";

/** Nothing from other origins is loaded, and WebAssembly is the only code that is made at run time. */
const contentSecurityPolicy = [
  "default-src 'none'",
  "script-src 'self' 'wasm-unsafe-eval'",
  "worker-src 'self' blob:",
  "connect-src 'self' ws: wss:",
  "style-src 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
].join("; ");

const headers = (type: string): Record<string, string> => ({
  "content-type": `${type}; charset=utf-8`,
  "content-security-policy": contentSecurityPolicy,
  "x-content-type-options": "nosniff",
  "cache-control": "no-cache",
  // Only a page that keeps other origins out may share memory between its threads.
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-embedder-policy": "require-corp",
});

/** @param jobs asked for at every visit; runs come and go */
export function joinPages(jobs: () => readonly JoinPageFacts[]): PageHandler {
  const scripts: Readonly<Record<string, string>> = {
    "/join/page.js": "joinPage",
    "/join/worker.js": "joinWorker",
  };
  return async ({ method, path }) => {
    if (method !== "GET" && method !== "HEAD") return undefined;
    if (path === "/") return { status: 302, headers: { location: "/join" }, body: "" };
    if (path === "/join") return { status: 200, headers: headers("text/html"), body: joinHtml(jobs()) };
    const script = scripts[path];
    if (script === undefined) return undefined;
    return { status: 200, headers: headers("text/javascript"), body: await bundleScript(script) };
  };
}
