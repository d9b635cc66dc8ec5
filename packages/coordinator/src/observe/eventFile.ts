/**
 * Scalars in TensorBoard's event files. A file is a row of TFRecords (tensorflow/core/lib/io/record_writer.h: length, masked
 * CRC-32C of the length, data, masked CRC-32C of the data), each an `Event` of tensorflow/core/util/event.proto in
 * Protocol Buffers' wire format, of which only the few fields that scalars need are written.
 */
import { hostname } from "node:os";
import { join } from "node:path";
import type { Coordinator } from "../coordinator.ts";
import { AppendedFile } from "./appendedFile.ts";

/** Writes the rounds and evaluations of a run from now on to a new file in `directory`; the result ends it. */
export function writeEventFile(coordinator: Coordinator, directory: string): () => void {
  const now = () => Date.now() / 1000;
  const file = new AppendedFile(
    join(directory, `events.out.tfevents.${Math.floor(now())}.${hostname()}.${process.pid}`),
  );
  file.append(tfRecord(encodeEvent({ wallTime: now(), step: 0, fileVersion: "brain.Event:2" })));
  const write = (step: number, scalars: Readonly<Record<string, number>>) => {
    file.append(tfRecord(encodeEvent({ wallTime: now(), step, scalars })));
  };
  const stop = coordinator.on((event) => {
    if (event.event === "round") {
      const { round, loss, metrics, bytesUp, bytesDown, ms, examplesPerSecond, updates, cohort, workers } = event;
      write(round, {
        ...prefixed("train", { loss, ...metrics }),
        ...prefixed("bytes", { up: bytesUp, down: bytesDown }),
        ...prefixed("round", { seconds: ms / 1000, examples_per_second: examplesPerSecond, updates, cohort, workers }),
      });
    }
    if (event.event === "evaluated") write(event.version, prefixed("test", event.metrics));
  });
  return () => {
    stop();
    file.close();
  };
}

const prefixed = (group: string, values: Readonly<Record<string, number>>) =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${group}/${name}`, value]));

interface ScalarEvent {
  /** Seconds since 1970. */
  readonly wallTime: number;
  readonly step: number;
  readonly fileVersion?: string;
  readonly scalars?: Readonly<Record<string, number>>;
}

function encodeEvent({ wallTime, step, fileVersion, scalars = {} }: ScalarEvent): Uint8Array {
  const values = Object.entries(scalars).map(([tag, value]) =>
    lengthDelimited(1, Buffer.concat([lengthDelimited(1, Buffer.from(tag)), float(2, value)])),
  );
  return Buffer.concat([
    double(1, wallTime),
    field(2, 0),
    varint(step),
    ...(fileVersion === undefined ? [] : [lengthDelimited(3, Buffer.from(fileVersion))]),
    ...(values.length === 0 ? [] : [lengthDelimited(5, Buffer.concat(values))]),
  ]);
}

/** Wire types of Protocol Buffers: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
const field = (number: number, wireType: 0 | 1 | 2 | 5) => varint(8 * number + wireType);

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
}

const lengthDelimited = (number: number, bytes: Uint8Array) =>
  Buffer.concat([field(number, 2), varint(bytes.length), bytes]);

function double(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return Buffer.concat([field(number, 1), bytes]);
}

function float(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return Buffer.concat([field(number, 5), bytes]);
}

function tfRecord(data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  return Buffer.concat([length, maskedCrc(length), data, maskedCrc(data)]);
}

function maskedCrc(bytes: Uint8Array): Buffer {
  const crc = crc32c(bytes);
  const masked = Buffer.alloc(4);
  masked.writeUInt32LE((((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0);
  return masked;
}

/** The Castagnoli polynomial, reflected. */
const castagnoli = 0x82f63b78;

const table = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ castagnoli : crc >>> 1;
  return crc;
});

/** CRC-32C (RFC 3720, 12.1). */
export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = (table[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
