/** A directory for each test of a file; after it every process that the test started is gone, and so is the directory. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach } from "vitest";
import { killAll } from "./weftProcess.ts";

/** To be called at the top of a test file; the result gives the directory of the test under way. */
export function useDirectory(): () => string {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "weft-"));
  });
  afterEach(async () => {
    await killAll();
    rmSync(directory, { recursive: true });
  });
  return () => directory;
}
