/** How the static parameters of each primitive are written as bytes: fields in a fixed order, without names. */
import type { ByteReader, ByteWriter } from "./bytes.ts";
import type { DType } from "./dtype.ts";
import { comparisonCodes, decodingOf, dtypeCodes } from "./opcodes.ts";
import type {
  BinaryPrimitive,
  BitwisePrimitive,
  Comparison,
  PadPair,
  PlainParams,
  UnaryPrimitive,
} from "./primitive.ts";
import { binaryNames, bitwiseNames, unaryNames } from "./primitive.ts";

/** Bytes of one kind of value; `limit` bounds every whole number read. */
export interface Codec<T> {
  write(writer: ByteWriter, value: T): void;
  read(reader: ByteReader, limit: number): T;
}

const natural: Codec<number> = {
  write: (writer, value) => {
    writer.natural(value);
  },
  read: (reader, limit) => reader.natural(limit, "a parameter"),
};

const double: Codec<number> = {
  write: (writer, value) => {
    writer.double(value);
  },
  read: (reader) => reader.double("a constant"),
};

const flag: Codec<boolean> = {
  write: (writer, value) => {
    writer.natural(value ? 1 : 0);
  },
  read: (reader) => reader.natural(1, "a flag") === 1,
};

function listOf<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    write: (writer, values) => {
      writer.natural(values.length);
      for (const value of values) item.write(writer, value);
    },
    read: (reader, limit) => {
      const values: T[] = [];
      for (let rest = reader.count("entries of a parameter"); rest > 0; rest--) values.push(item.read(reader, limit));
      return values;
    },
  };
}

function choice<K extends string>(codes: { readonly [N in K]: number }, what: string): Codec<K> {
  const names = decodingOf(codes);
  return {
    write: (writer, name) => {
      writer.natural(codes[name]);
    },
    read: (reader) => {
      const name = names.get(reader.natural(255, what));
      if (name === undefined) throw reader.error(`unknown ${what}`);
      return name;
    },
  };
}

/** The fields are written in the order in which they stand here, which is therefore part of the format. */
function record<T extends object>(fields: { readonly [K in keyof T]: Codec<T[K]> }): Codec<T> {
  const names = Object.keys(fields) as (keyof T & string)[];
  return {
    write: (writer, value) => {
      for (const name of names) fields[name].write(writer, value[name]);
    },
    read: (reader, limit) => Object.fromEntries(names.map((name) => [name, fields[name].read(reader, limit)])) as T,
  };
}

const naturals = listOf(natural);
const pair: Codec<PadPair> = {
  write: (writer, [before, after]) => {
    writer.natural(before);
    writer.natural(after);
  },
  read: (reader, limit) => [natural.read(reader, limit), natural.read(reader, limit)],
};
const pairs = listOf(pair);

export const dtypeCodec: Codec<DType> = choice(dtypeCodes, "dtype");
const comparison: Codec<Comparison> = choice(comparisonCodes, "comparison");

const none = record<Readonly<Record<string, never>>>({});
const axes = record<{ readonly axes: readonly number[] }>({ axes: naturals });
const conv = { strides: naturals, padding: pairs, dilation: naturals, groups: natural };
const windowed = record<PlainParams["windowMax"]>({ window: naturals, strides: naturals, padding: pairs });
const indexed = record<PlainParams["gather"]>({ axis: natural, batchDims: natural });

type Bare = UnaryPrimitive | BinaryPrimitive | BitwisePrimitive;
const bare = Object.fromEntries([...unaryNames, ...binaryNames, ...bitwiseNames].map((name) => [name, none])) as {
  readonly [P in Bare]: Codec<PlainParams[P]>;
};

/** Of every primitive but `scan` and `call`, whose parameters hold Programs. */
export const paramCodecs: { readonly [P in keyof PlainParams]: Codec<PlainParams[P]> } = {
  ...bare,
  constant: record({ shape: naturals, dtype: dtypeCodec, value: double }),
  iota: record({ shape: naturals, dtype: dtypeCodec, axis: natural }),
  randomBits: record({ shape: naturals }),
  stopGradient: none,
  not: none,
  compare: record({ op: comparison }),
  select: none,
  cast: record({ dtype: dtypeCodec }),
  sum: axes,
  reduceMax: axes,
  argmax: record({ axis: natural }),
  reshape: record({ shape: naturals }),
  transpose: record({ permutation: naturals }),
  broadcast: record({ shape: naturals, axes: naturals }),
  slice: record({ start: naturals, stop: naturals, step: naturals }),
  pad: record({ low: naturals, high: naturals, interior: naturals }),
  concat: record({ axis: natural }),
  reverse: axes,
  dot: record({ lhsBatch: naturals, rhsBatch: naturals, lhsContract: naturals, rhsContract: naturals }),
  conv: record(conv),
  convInputGradient: record({ ...conv, inputSpatial: naturals }),
  convKernelGradient: record({ ...conv, kernelSpatial: naturals }),
  windowMax: windowed,
  windowSum: windowed,
  windowScatter: windowed,
  windowGather: windowed,
  gather: indexed,
  scatterAdd: indexed,
  argsort: record({ axis: natural, descending: flag }),
  cumsum: record({ axis: natural, reverse: flag }),
};
