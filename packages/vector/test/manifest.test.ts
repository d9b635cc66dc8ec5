import { createManifest, flatten, type Manifest, ManifestError, parameterViews, parseManifest } from "@weft/vector";
import * as fc from "fast-check";
import { expect, test } from "vitest";

const parameters = fc.uniqueArray(
  fc.record({
    name: fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.:/#[\]-]{0,20}$/),
    shape: fc.array(fc.nat({ max: 5 }), { maxLength: 4 }),
    kind: fc.constantFrom("weight" as const, "statistic" as const, "control" as const),
  }),
  { selector: ({ name }) => name, maxLength: 8 },
);

const manifest = createManifest([
  { name: "conv.kernel", shape: [3, 3, 1, 2] },
  { name: "norm.mean", shape: [2], kind: "statistic" },
  { name: "scale", shape: [] },
]);

test("parameters lie one after the other, a scalar takes one element, the kind is weight unless said", () => {
  expect(manifest).toEqual({
    size: 21,
    entries: [
      { name: "conv.kernel", shape: [3, 3, 1, 2], kind: "weight", offset: 0 },
      { name: "norm.mean", shape: [2], kind: "statistic", offset: 18 },
      { name: "scale", shape: [], kind: "weight", offset: 20 },
    ],
  });
});

test("a manifest survives JSON", () => {
  fc.assert(
    fc.property(parameters, (specs) => {
      const made = createManifest(specs);
      expect(parseManifest(JSON.parse(JSON.stringify(made)))).toEqual(made);
    }),
  );
});

test("views and flatten are inverse, and writing to a view writes to the vector", () => {
  fc.assert(
    fc.property(parameters, (specs) => {
      const made = createManifest(specs);
      const flat = Float32Array.from({ length: made.size }, (_, i) => i + 1);
      expect(flatten(made, parameterViews(made, flat))).toEqual(flat);
    }),
  );
  const flat = new Float32Array(manifest.size);
  parameterViews(manifest, flat).get("norm.mean")?.set([7, 8]);
  expect([...flat.subarray(18)]).toEqual([7, 8, 0]);
});

test.each([
  ["", "an empty name"],
  ["__proto__", "a name that is special to objects"],
  ["layer.__proto__.kernel", "such a name inside a path"],
  ["constructor", "another such name"],
  ["__metadata__", "the reserved key of safetensors"],
  ["a b", "a space"],
  ["a\nb", "a line break"],
  ["é", "a letter outside ASCII"],
  ["<b>", "markup"],
  ["a".repeat(257), "a name too long"],
])("the name %j is refused: %s", (name) => {
  expect(() => createManifest([{ name, shape: [1] }])).toThrow(ManifestError);
});

test.each([
  [[-1]],
  [[1.5]],
  [[NaN]],
  [[2 ** 31, 2 ** 31]],
  [[2 ** 31, 2 ** 31, 0]],
  [[2 ** 33]],
  [[1, 1, 1, 1, 1, 1, 1, 1, 1]],
])("the shape %j is refused", (shape) => {
  expect(() => createManifest([{ name: "a", shape }])).toThrow(ManifestError);
});

test("two parameters of one name, and a total past 2^32 elements, are refused", () => {
  const shape = [2 ** 31];
  expect(() =>
    createManifest([
      { name: "a", shape: [] },
      { name: "a", shape: [] },
    ]),
  ).toThrow(/two parameters/);
  expect(createManifest(["a", "b"].map((name) => ({ name, shape }))).size).toBe(2 ** 32);
  expect(() => createManifest(["a", "b", "c"].map((name) => ({ name, shape })))).toThrow(ManifestError);
});

test("a manifest with any field altered, missing or of another type is refused", () => {
  const broken = fc.constantFrom<unknown>(undefined, null, -1, 0.5, "x", {}, [[]], { toString: 1 }, ["a"], true);
  const at = fc.constantFrom("entries", "size", "name", "shape", "kind", "offset");
  fc.assert(
    fc.property(broken, at, (value, key) => {
      const copy = structuredClone(manifest) as unknown as Record<string, unknown>;
      const target = key in copy ? copy : ((copy["entries"] as Record<string, unknown>[])[1] ?? {});
      target[key] = value;
      // Another valid name makes another valid manifest.
      if (key === "name" && value === "x") expect(parseManifest(copy).entries[1]?.name).toBe("x");
      else expect(() => parseManifest(copy)).toThrow(ManifestError);
    }),
    { numRuns: 300 },
  );
});

test("hostile values never bring anything but the named error", () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.jsonValue(), fc.record({ entries: fc.array(fc.jsonValue()), size: fc.jsonValue() })),
      (value) => {
        let parsed: Manifest | undefined;
        try {
          parsed = parseManifest(value);
        } catch (error) {
          expect(error).toBeInstanceOf(ManifestError);
        }
        if (parsed !== undefined) expect(parseManifest(parsed)).toEqual(parsed);
      },
    ),
    { numRuns: 500 },
  );
});

test("flatten names what is missing, unknown or of the wrong length", () => {
  const views = () => parameterViews(manifest, new Float32Array(manifest.size));
  const missing = views();
  missing.delete("scale");
  expect(() => flatten(manifest, missing)).toThrow(/scale is missing/);
  expect(() => flatten(manifest, views().set("other", new Float32Array(1)))).toThrow(/other is not in the manifest/);
  expect(() => flatten(manifest, views().set("scale", new Float32Array(2)))).toThrow(/scale has 1 elements, got 2/);
  expect(() => parameterViews(manifest, new Float32Array(20))).toThrow(ManifestError);
});
