/** One WebAssembly memory, given out in regions and grown when full. */
import { largestPages } from "@weft/emitter";

/** Bytes of one WebAssembly page. */
const pageBytes = 65536;
const alignment = 64;
const largestBytes = largestPages * pageBytes;
/**
 * The memory grows by more than is needed, up to this: each time it grows, V8 collects garbage, which takes longer than
 * to compile a gpt step anew from its cached plan (10 ms to 0.5). Pages that are not touched take no memory.
 */
const mostSpareBytes = 64 * 2 ** 20;

interface Region {
  start: number;
  bytes: number;
}

export class MemoryRegions {
  readonly memory: WebAssembly.Memory;
  /** Unused stretches, by address; the first bytes of the memory stay unused so that no region starts at 0. */
  #free: Region[] = [];
  #end = alignment;
  /** Bytes that have been given out at some time: what lies beyond takes no memory. */
  usedBytes = 0;

  /** A shared memory is one that several threads may use; it must say how far it may grow. */
  constructor({ shared = false }: { readonly shared?: boolean } = {}) {
    this.memory = new WebAssembly.Memory(shared ? { initial: 1, maximum: largestPages, shared } : { initial: 1 });
  }

  /** @returns the address of a fresh region, whose contents are arbitrary */
  allocate(size: number): number {
    const bytes = Math.max(alignment, Math.ceil(size / alignment) * alignment);
    const fitting = this.#free.find((region) => region.bytes >= bytes);
    if (fitting) {
      const { start } = fitting;
      fitting.start += bytes;
      fitting.bytes -= bytes;
      this.#free = this.#free.filter((region) => region.bytes > 0);
      return start;
    }
    const start = this.#end;
    this.#growTo(start + bytes);
    this.#end = start + bytes;
    this.usedBytes = Math.max(this.usedBytes, this.#end);
    return start;
  }

  release(start: number, size: number): void {
    const bytes = Math.max(alignment, Math.ceil(size / alignment) * alignment);
    const sorted = [...this.#free, { start, bytes }].sort((a, b) => a.start - b.start);
    const merged: Region[] = [];
    for (const region of sorted) {
      const last = merged.at(-1);
      if (last && last.start + last.bytes === region.start) last.bytes += region.bytes;
      else merged.push(region);
    }
    const last = merged.at(-1);
    if (last && last.start + last.bytes === this.#end) {
      this.#end = last.start;
      merged.pop();
    }
    this.#free = merged;
  }

  #growTo(end: number): void {
    const missing = end - this.memory.buffer.byteLength;
    if (missing <= 0) return;
    if (end > largestBytes) {
      throw new RangeError(`the wasm backend can address 4 GiB, this program needs ${end} bytes; use a smaller batch`);
    }
    const spare = Math.min(2 * end, mostSpareBytes, largestBytes - end);
    this.memory.grow(Math.ceil((missing + spare) / pageBytes));
  }
}
