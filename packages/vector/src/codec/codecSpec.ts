/** Codecs as data: what a job says about how its flat vectors travel, checked and named. */
import { CodecError } from "../errors.ts";

export const plainCodecKinds = ["f32", "f16", "bf16", "int8", "int4", "int2", "sign"] as const;
export const codecKinds = [...plainCodecKinds, "topK", "randomK", "lowRank"] as const;

export type CodecKind = (typeof codecKinds)[number];
/** A codec without settings. */
export type PlainCodec = (typeof plainCodecKinds)[number];

export type CodecSpec =
  | { readonly kind: PlainCodec }
  /** Of every block only this fraction of the values, the largest or a random choice. */
  | { readonly kind: "topK" | "randomK"; readonly fraction: number }
  /** Matrices as the product of two thin ones of so many columns. */
  | { readonly kind: "lowRank"; readonly rank: number };

/** Most columns of a low-rank factor. */
const maximumRank = 256;

/**
 * A specification from parsed JSON or msgpack; a plain codec may be given by its name alone.
 *
 * @throws {CodecError} naming what was expected
 */
export function parseCodecSpec(value: unknown): CodecSpec {
  const { kind, ...settings } = typeof value === "string" ? { kind: value } : asRecord(value);
  const known = codecKinds.find((candidate) => candidate === kind);
  if (known === undefined) {
    throw new CodecError(`codec ${shown(kind)}: expected one of ${codecKinds.join(", ")}`);
  }
  switch (known) {
    case "topK":
    case "randomK":
      return { kind: known, fraction: fractionOf(known, settings) };
    case "lowRank":
      return { kind: known, rank: rankOf(settings) };
    default:
      only(known, settings, undefined);
      return { kind: known };
  }
}

/** How a codec is called on the wire, in records and tables: "int8", "topK(0.01)", "lowRank(4)". */
export function codecText(spec: CodecSpec): string {
  if (spec.kind === "topK" || spec.kind === "randomK") return `${spec.kind}(${spec.fraction})`;
  return spec.kind === "lowRank" ? `lowRank(${spec.rank})` : spec.kind;
}

/** Whether what a codec loses of an update is kept and added to the next one (error feedback, Karimireddy et al. 2019). */
export function usesFeedback({ kind }: CodecSpec): boolean {
  return !(kind in exactEnough);
}

/** Whether a codec can carry whole weights, to which every worker's base must stay close. */
export function canPublish({ kind }: CodecSpec): boolean {
  return kind in exactEnough;
}

/** Codecs whose error is small beside every group of values, so that it need not be remembered. */
const exactEnough: { readonly [K in CodecKind]?: true } = { f32: true, f16: true, bf16: true, int8: true, int4: true };

function fractionOf(kind: CodecKind, settings: Record<string, unknown>): number {
  const { fraction } = only(kind, settings, "fraction");
  if (typeof fraction === "number" && fraction > 0 && fraction <= 0.5) return fraction;
  throw new CodecError(`codec ${kind}: fraction is a number above 0 and at most 0.5, got ${shown(fraction)}`);
}

function rankOf(settings: Record<string, unknown>): number {
  const { rank } = only("lowRank", settings, "rank");
  if (Number.isInteger(rank) && (rank as number) >= 1 && (rank as number) <= maximumRank) return rank as number;
  throw new CodecError(`codec lowRank: rank is an integer in 1..${maximumRank}, got ${shown(rank)}`);
}

function only(kind: CodecKind, settings: Record<string, unknown>, wanted: string | undefined) {
  const other = Object.keys(settings).find((name) => name !== wanted);
  if (other === undefined) return settings;
  throw new CodecError(
    `codec ${kind}: ${wanted === undefined ? "no setting" : `only ${wanted}`} expected, got ${shown(other)}`,
  );
}

function asRecord(value: unknown): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new CodecError(`a codec is a name or an object with a kind, got ${shown(value)}`);
}

const shown = (value: unknown): string =>
  typeof value === "string"
    ? JSON.stringify(value.slice(0, 32))
    : typeof value === "number"
      ? String(value)
      : typeof value;
