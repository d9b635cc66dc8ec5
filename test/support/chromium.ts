/** Debian's Chromium through playwright-core, without a connection to anywhere but this machine. */
import { existsSync } from "node:fs";
import type { Browser } from "playwright-core";
import { chromium } from "playwright-core";

const candidates = [process.env["WEFT_CHROMIUM"], "/usr/bin/chromium", "/usr/bin/google-chrome"];

/** Where Chromium is; undefined where there is none. */
export const chromiumPath = candidates.find((path) => path !== undefined && existsSync(path));

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    ...(chromiumPath === undefined ? {} : { executablePath: chromiumPath }),
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}
