/** Addresses that people give to `weft join`. */
import { expect, test } from "vitest";
import { coordinatorAddress } from "../src/command/join.ts";

test("a coordinator is found by its address for workers, and by the link for browsers", () => {
  for (const address of ["ws://localhost:7700", "wss://example.org/weft"]) {
    expect(coordinatorAddress(address)).toBe(address);
  }
  expect(coordinatorAddress("http://192.0.2.7:7700/join#token=…")).toBe("ws://192.0.2.7:7700");
  expect(coordinatorAddress("https://example.org/weft/join")).toBe("wss://example.org/weft");
});

test("what is no address says how one looks", () => {
  for (const text of ["nonsense", "localhost:7700", "ftp://host"]) {
    expect(() => coordinatorAddress(text)).toThrow(`${text}: expected a coordinator's address, such as ws://HOST:7700`);
  }
});
