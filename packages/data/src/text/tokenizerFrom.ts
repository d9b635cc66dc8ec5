/** Tokenisers out of plain data, as files and messages bring it. */
import { ContractError } from "../errors.ts";
import { bytePairTokenizer } from "./bytePairs.ts";
import { characterTokenizer } from "./characters.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** @throws {ContractError} when the data is not what a tokeniser's `toJSON` gave */
export function tokenizerFrom(data: unknown): Tokenizer {
  const { kind, characters, merges } = (data ?? {}) as { kind?: unknown; characters?: unknown; merges?: unknown };
  if (kind === "characters" && typeof characters === "string") return characterTokenizer(characters);
  if (kind === "bytePairs" && Array.isArray(merges) && merges.every(isMerge)) return bytePairTokenizer(merges);
  const got = (JSON.stringify(data) as string | undefined) ?? "nothing";
  throw new ContractError(
    `expected { kind: "characters", characters } or { kind: "bytePairs", merges } as a tokeniser's toJSON gives it, got ${got.slice(0, 60)}`,
  );
}

function isMerge(merge: unknown, index: number): merge is [number, number] {
  const isEarlier = (token: unknown) =>
    Number.isInteger(token) && (token as number) >= 0 && (token as number) < 256 + index;
  return Array.isArray(merge) && merge.length === 2 && merge.every(isEarlier);
}
