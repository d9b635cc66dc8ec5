/** What a browser says in place of a default backend. */
import { expect, test } from "vitest";
import { defaultBackend } from "../src/noDefault.ts";

test("a page that computes before it sets a backend is told which there are", () => {
  expect(() => defaultBackend()).toThrow(/createWasmBackend.*createReferenceBackend/);
  expect(() => defaultBackend()).toThrow(expect.objectContaining({ code: "backend" }));
});
