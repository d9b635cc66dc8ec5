/** The element types of safetensors and the arrays that hold them. F16 and BF16 are given as their raw 16-bit patterns. */

export const arrayOf = {
  F64: Float64Array,
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  I32: Int32Array,
  U32: Uint32Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

export type SafetensorsDType = keyof typeof arrayOf;

export const safetensorsDTypes = Object.keys(arrayOf) as readonly SafetensorsDType[];

/** A named tensor, row-major; the dtype tells the type of its data. */
export type SafeTensor = {
  [D in SafetensorsDType]: {
    readonly name: string;
    readonly shape: readonly number[];
    readonly dtype: D;
    readonly data: InstanceType<(typeof arrayOf)[D]>;
  };
}[SafetensorsDType];

/** The tensor whose data are `bytes`: a view where they are aligned, else a copy. Their length is a whole number of elements. */
export function tensorOf(
  head: { readonly name: string; readonly shape: readonly number[]; readonly dtype: SafetensorsDType },
  bytes: Uint8Array,
): SafeTensor {
  const array = arrayOf[head.dtype];
  // Copied by the constructor: on a Node Buffer, slice() would return a view again.
  const aligned = bytes.byteOffset % array.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  // The constructors take shared memory as well; their union type does not say so.
  const buffer = aligned.buffer as ArrayBuffer;
  const data = new array(buffer, aligned.byteOffset, aligned.byteLength / array.BYTES_PER_ELEMENT);
  // The table pairs dtype and array; the compiler cannot follow the pairing through a variable.
  return { ...head, data } as SafeTensor;
}

/** Elements of a shape; undefined when an extent is not a non-negative integer or the product is not a safe integer. */
export function elementsOf(shape: readonly unknown[]): number | undefined {
  let elements = 1;
  for (const extent of shape) {
    if (!isSize(extent)) return undefined;
    elements *= extent;
    if (!Number.isSafeInteger(elements)) return undefined;
  }
  return elements;
}

/** A non-negative safe integer; -0, which JSON can spell, is none. */
export const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && (value as number) >= 0 && !Object.is(value, -0);
