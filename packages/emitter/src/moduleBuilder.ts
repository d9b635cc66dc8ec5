/** A WebAssembly module in the making: it imports `env.memory`, defines functions and exports some by name. */
import { ByteWriter, leb128 } from "./bytes.ts";
import type { Local, ValueType } from "./expression.ts";
import { localOf, typeCode } from "./expression.ts";
import type { FunctionHandle } from "./functionBuilder.ts";
import { FunctionBuilder } from "./functionBuilder.ts";

/** The locals that hold parameters of the given types. */
export type ParamLocals<P extends readonly ValueType[]> = { readonly [I in keyof P]: Local<P[I]> };

export interface FunctionOptions {
  /** Name under which the function is exported. */
  readonly export?: string;
  /** Type of the value that the body passes to `f.return` on every path; none if absent. */
  readonly result?: ValueType;
}

interface FunctionEntry extends FunctionHandle {
  readonly options: FunctionOptions;
  readonly code: Uint8Array;
}

const section = { type: 1, import: 2, function: 3, export: 7, code: 10 } as const;

/** Pages of the largest memory that 32 bits can address; a shared memory has to name its limit. */
export const largestPages = 65536;

export class ModuleBuilder {
  readonly #functions: FunctionEntry[] = [];

  /**
   * Defines a function; `body` writes it and gets the parameters as locals.
   *
   * @example module.function(["i32", "i32"], (f, [from, to]) => { … }, { export: "run" });
   */
  function<const P extends readonly ValueType[]>(
    params: P,
    body: (f: FunctionBuilder, params: ParamLocals<P>) => void,
    options: FunctionOptions = {},
  ): FunctionHandle {
    const builder = new FunctionBuilder(params.length);
    body(builder, params.map((type, index) => localOf(type, index)) as unknown as ParamLocals<P>);
    const code = builder.toBytes({ returns: options.result !== undefined });
    const handle = { index: this.#functions.length, params, options, code };
    this.#functions.push(handle);
    return handle;
  }

  /** The binary module; valid input for `new WebAssembly.Module`. A shared memory must be imported as one. */
  toBytes({ shared = false }: { readonly shared?: boolean } = {}): Uint8Array<ArrayBuffer> {
    const out = new ByteWriter();
    out.bytes([0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00]);
    writeSection(out, section.type, this.#functions, (entry, { params, options }) => {
      entry.byte(0x60);
      entry.sized(params.map((type) => typeCode[type]));
      entry.sized(options.result === undefined ? [] : [typeCode[options.result]]);
    });
    writeSection(out, section.import, ["memory"], (entry, name) => {
      entry.name("env");
      entry.name(name);
      entry.bytes(shared ? [0x02, 0x03, 0x00, ...leb128(largestPages)] : [0x02, 0x00, 0x00]);
    });
    writeSection(out, section.function, this.#functions, (entry, { index }) => entry.u32(index));
    const exported = this.#functions.filter(({ options }) => options.export !== undefined);
    writeSection(out, section.export, exported, (entry, { index, options }) => {
      entry.name(options.export ?? "");
      entry.byte(0x00);
      entry.u32(index);
    });
    writeSection(out, section.code, this.#functions, (entry, { code }) => entry.sized(code));
    return out.toBytes();
  }
}

function writeSection<T>(out: ByteWriter, id: number, items: readonly T[], write: (out: ByteWriter, item: T) => void) {
  const body = new ByteWriter();
  body.u32(items.length);
  for (const item of items) write(body, item);
  out.byte(id);
  out.sized(body.toBytes());
}
