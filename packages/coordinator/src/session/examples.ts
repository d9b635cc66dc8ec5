/** The coordinator's own examples: rows on demand, and each worker's share of them for local work. */
import type { JobDocument } from "@weft/protocol";
import { CoordinatorOptionsError } from "../errors.ts";
import type { ExampleParts, ExampleStore } from "../options.ts";
import { hashOf } from "../round/random.ts";

/** Most examples and bytes in one answer. */
const maxFetchExamples = 65_536;
const maxAnswerBytes = 64 * 1024 * 1024;

const storedBytes = { u8: 1, f32: 4, i32: 4 } as const;

export interface ServedExamples {
  /** Stored rows, one array per field; or why there are none. */
  rows(request: Uint8Array): readonly Uint8Array[] | string;
  /** Indices of part `index` of `of`. */
  partition(index: number, of: number): Uint32Array;
}

export interface ExampleOptions {
  readonly examples?: ExampleStore | undefined;
  readonly partition?: ((slots: number) => ExampleParts) | undefined;
}

/** @throws {CoordinatorOptionsError} when the examples are not those the job was defined on */
export function serveExamples(document: JobDocument, options: ExampleOptions): ServedExamples {
  const { examples: store } = options;
  checkStore(document, store);
  const partition = options.partition ?? ((slots) => equalParts(document.examples, slots, document.seed));
  let cut: { readonly of: number; readonly parts: ExampleParts } | undefined;
  const rowBytes = document.data.fields.map(({ shape, stored }) => shape.reduce((n, m) => n * m, storedBytes[stored]));
  const exampleBytes = rowBytes.reduce((sum, bytes) => sum + bytes, 0);
  return {
    rows(request) {
      if (store === undefined) return "this coordinator serves no examples";
      const count = request.length / 4;
      if (!Number.isInteger(count) || count > maxFetchExamples || count * exampleBytes > maxAnswerBytes) {
        const most = Math.min(maxFetchExamples, Math.floor(maxAnswerBytes / exampleBytes));
        return `at most ${most} indices of 4 bytes expected, got ${request.length} bytes`;
      }
      const indices = new Uint32Array(request.slice().buffer);
      const outside = indices.find((index) => index >= store.size);
      if (outside !== undefined) return `example ${outside} asked for, there are ${store.size}`;
      return checkRows(store.rows(indices), rowBytes, count);
    },

    partition(index, of) {
      if (cut?.of !== of) cut = { of, parts: checkParts(partition(of), of) };
      return checkPart(cut.parts.at(index) ?? new Uint32Array(), of, document.examples);
    },
  };
}

function checkStore(document: JobDocument, store: ExampleStore | undefined): void {
  if (document.examples === 0 || store?.size === document.examples) return;
  throw new CoordinatorOptionsError(
    store === undefined
      ? `the job trains on ${document.examples} examples of the coordinator; give them as \`examples\``
      : `the job was defined on ${document.examples} examples, the store has ${store.size}; define the job on this data`,
  );
}

function checkRows(rows: readonly Uint8Array[], rowBytes: readonly number[], count: number): readonly Uint8Array[] {
  const lengths = rows.map(({ length }) => length);
  const expected = rowBytes.map((bytes) => bytes * count);
  if (lengths.join() !== expected.join()) {
    throw new CoordinatorOptionsError(
      `the example store gave fields of ${lengths.join(", ")} bytes for ${count} rows; the job's data contract says ${expected.join(", ")}`,
    );
  }
  return rows;
}

function checkParts(parts: ExampleParts, of: number): ExampleParts {
  if (parts.length === of) return parts;
  throw new CoordinatorOptionsError(`\`partition(${of})\` gave ${parts.length} parts; ${of} expected`);
}

function checkPart(part: Uint32Array, of: number, examples: number): Uint32Array {
  const outside = part.find((index) => index >= examples);
  if (outside === undefined) return part;
  throw new CoordinatorOptionsError(
    `\`partition(${of})\` gave example ${outside} to a worker; there are ${examples}, counted from 0`,
  );
}

/** Contiguous runs of a seeded permutation, differing in length by at most one. */
function equalParts(examples: number, slots: number, seed: number): Uint32Array[] {
  const order = Uint32Array.from({ length: examples }, (_, i) => i);
  for (let i = examples - 1; i > 0; i--) {
    const j = Math.floor((hashOf(seed, 4, i) / 2 ** 32) * (i + 1));
    const other = order[j] ?? 0;
    order[j] = order[i] ?? 0;
    order[i] = other;
  }
  const bound = (part: number) => Math.floor((part * examples) / slots);
  return Array.from({ length: slots }, (_, part) => order.subarray(bound(part), bound(part + 1)));
}
