/** The little of the WebAssembly interface that is used here: this package compiles without the DOM's types. */

interface Engine {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object;
  readonly Instance: new (
    module: object,
    imports: { readonly env: { readonly memory: EngineMemory } },
  ) => { readonly exports: Readonly<Record<string, (...args: number[]) => number>> };
  readonly Memory: new (limits: { readonly initial: number }) => EngineMemory;
}

export interface EngineMemory {
  readonly buffer: ArrayBuffer;
}

declare const WebAssembly: Engine | undefined;

/** Undefined where there is none. */
export const engine: Engine | undefined = typeof WebAssembly === "undefined" ? undefined : WebAssembly;
