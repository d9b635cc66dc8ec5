/** What WEFT_LOG chooses. */
import { describe, expect, test } from "vitest";
import { createLog } from "../src/command/log.ts";

const enabled = (setting: string | undefined, topic: string, level: "debug" | "info") =>
  createLog(setting).child({ topic }).isLevelEnabled(level);

describe("WEFT_LOG", () => {
  test("unset or empty is silent", () => {
    expect(enabled(undefined, "round", "info")).toBe(false);
    expect(enabled("", "round", "info")).toBe(false);
  });

  test("as a level holds for every topic", () => {
    expect(enabled("info", "wire", "info")).toBe(true);
    expect(enabled("info", "wire", "debug")).toBe(false);
  });

  test("as topics holds for those alone, at info or the level named", () => {
    expect(enabled("round", "round", "info")).toBe(true);
    expect(enabled("round", "round", "debug")).toBe(false);
    expect(enabled("round,wire:debug", "wire", "debug")).toBe(true);
    expect(enabled("round,wire:debug", "store", "info")).toBe(false);
  });
});
