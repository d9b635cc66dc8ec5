/** A tab takes part: Chromium opens /join, clicks, and trains beside a Node worker to the end of the run. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterEach, beforeEach, expect, test } from "vitest";
import { chromiumPath, launchChromium } from "../support/chromium.ts";
import { WeftProcess, killAll } from "../support/weftProcess.ts";

let directory: string;
let browser: Browser | undefined;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "weft-"));
});

afterEach(async () => {
  await browser?.close();
  await killAll();
  await rm(directory, { recursive: true });
});

// On a developer's machine Chromium may be missing; in CI that is a failure.
const skip = chromiumPath === undefined && process.env["CI"] === undefined;

test.skipIf(skip)("a tab and a Node worker train the digits together to the end (needs Chromium)", async () => {
  const coordinator = new WeftProcess([
    "serve",
    "test/jobs/digits.ts",
    "--port",
    "0",
    "--workers",
    "2",
    "--runs",
    directory,
    "--json",
  ]);
  const { url } = await coordinator.untilEvent("listening");
  browser = await launchChromium();
  const page = await browser.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${String(url).replace(/^ws/, "http")}/join`);
  expect(await page.evaluate(() => globalThis.crossOriginIsolated), "threads may share memory").toBe(true);
  expect(await page.textContent("h1")).toContain("digits");
  expect(await page.textContent("p")).toMatch(/2,410 parameters/);
  await page.click("#start");
  await coordinator.untilEvent("workerJoined");
  const worker = new WeftProcess(["join", String(url), "--json"]);

  await coordinator.until(({ event, updates }) => event === "round" && updates === 2, "a round of two updates");
  await page.waitForFunction(() => Number(document.getElementById("rounds")?.textContent) > 0);
  expect(await page.textContent("#device")).toMatch(/WebAssembly/);
  if (process.env["WEFT_SCREENSHOT"] !== undefined) await page.screenshot({ path: process.env["WEFT_SCREENSHOT"] });

  expect(await coordinator.exited).toBe(0);
  expect(await worker.exited).toBe(0);
  await page.waitForFunction(() => document.getElementById("status")?.textContent.includes("finished") === true);
  expect(await page.textContent("#loss")).toMatch(/^\d+\.\d{4}$/);
  const together = coordinator.events.filter(({ event, updates }) => event === "round" && updates === 2);
  expect(together.length).toBeGreaterThan(300);
  expect(complaints).toEqual([]);
});

test.skipIf(skip)("whoever pressed Stop starts again without loading the page anew (needs Chromium)", async () => {
  const args = ["serve", "test/jobs/digits.ts", "--port", "0", "--workers", "2", "--runs", directory, "--json"];
  const coordinator = new WeftProcess(args);
  const { url } = await coordinator.untilEvent("listening");
  browser = await launchChromium();
  const page = await browser.newPage();
  await page.goto(`${String(url).replace(/^ws/, "http")}/join`);
  const joined = () => coordinator.events.filter(({ event }) => event === "workerJoined").length;
  await page.click("#start");
  await coordinator.until(() => joined() === 1, "the tab has joined");
  await page.click("#start");
  await coordinator.untilEvent("workerLeft");
  await page.waitForFunction(() => document.getElementById("start")?.textContent === "Start again");
  await page.click("#start");
  await coordinator.until(() => joined() === 2, "the tab is there again");
  await page.waitForFunction(() => document.getElementById("start")?.textContent === "Stop");
});
