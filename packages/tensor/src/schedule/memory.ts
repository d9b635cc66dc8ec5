/**
 * Places buffers in one arena. Two buffers may share bytes when their lifetimes do not meet; a step that reads and writes
 * index by index may leave its result where its operand was; a donated input may give its place to a result.
 *
 * Placement is greedy, largest first (Pisarchyk and Lee, 2020, "Efficient memory management for deep neural net inference").
 */

export interface MemoryStep {
  readonly reads: readonly number[];
  readonly writes: readonly number[];
  /** Pairs whose written buffer may take the place of the read one. */
  readonly inPlace: readonly (readonly [write: number, read: number])[];
}

export interface MemoryRequest {
  /** Bytes of each buffer. */
  readonly bytes: readonly number[];
  /** Buffers that hold a value before the first step. */
  readonly inputs: readonly number[];
  /** Buffers whose value must survive every run. */
  readonly constants: readonly number[];
  readonly steps: readonly MemoryStep[];
  /** Buffers read after the last step. */
  readonly outputs: readonly number[];
  /** Result buffers that are to end in an input's place, with that input. */
  readonly aliases: readonly (readonly [output: number, input: number])[];
}

export interface MemoryPlan {
  /** Byte offset of each buffer. */
  readonly offsets: readonly number[];
  /** Size of the arena. */
  readonly bytes: number;
  /** Aliases, by position, whose output must be copied after the last step because it could not be made in its place. */
  readonly copies: readonly number[];
}

/** Bytes that share one place, and the steps between which they are in use. */
interface Slot {
  bytes: number;
  first: number;
  last: number;
  offset: number;
}

const alignment = 64;

export function planMemory(request: MemoryRequest): MemoryPlan {
  const slots = lifetimes(request);
  const copies = giveDonatedPlaces(request, slots);
  reuseInPlace(request, slots);
  const bytes = placeSlots([...new Set(slots)]);
  return { offsets: slots.map((slot) => slot.offset), bytes, copies };
}

/** One slot per buffer; slots merge as buffers come to share a place. */
function lifetimes(request: MemoryRequest): Slot[] {
  const slots = request.bytes.map((bytes): Slot => ({ bytes, first: Infinity, last: -Infinity, offset: 0 }));
  const touch = (buffer: number, time: number) => {
    const slot = slots[buffer]!;
    slot.first = Math.min(slot.first, time);
    slot.last = Math.max(slot.last, time);
  };
  for (const buffer of request.inputs) touch(buffer, -1);
  request.steps.forEach((step, time) => {
    for (const buffer of [...step.reads, ...step.writes]) touch(buffer, time);
  });
  for (const buffer of request.outputs) touch(buffer, Infinity);
  for (const buffer of request.constants) {
    touch(buffer, -1);
    touch(buffer, Infinity);
  }
  return slots;
}

function giveDonatedPlaces(request: MemoryRequest, slots: Slot[]): number[] {
  const copies: number[] = [];
  const given = new Set<number>();
  request.aliases.forEach(([output, input], alias) => {
    if (output === input) {
      given.add(input);
      return;
    }
    const [source, target] = [slots[output]!, slots[input]!];
    const overlaps = source.first === target.last && request.steps[source.first]?.inPlace;
    const follows = source.first > target.last || (overlaps && overlaps.some(([w, r]) => w === output && r === input));
    const fresh = !request.inputs.includes(output) && !request.constants.includes(output) && !isShared(slots, output);
    if (follows && fresh && !given.has(input) && source.bytes === target.bytes) {
      target.last = source.last;
      slots[output] = target;
    } else {
      copies.push(alias);
    }
    given.add(input);
  });
  for (const [, input] of request.aliases) slots[input]!.last = Infinity;
  return copies;
}

function isShared(slots: readonly Slot[], buffer: number): boolean {
  return slots.some((slot, other) => other !== buffer && slot === slots[buffer]);
}

function reuseInPlace(request: MemoryRequest, slots: Slot[]): void {
  const kept = new Set(request.constants);
  request.steps.forEach((step, time) => {
    for (const [write, read] of step.inPlace) {
      const [source, target] = [slots[write]!, slots[read]!];
      const dies = target.last === time && source.first === time && source !== target;
      if (!dies || kept.has(read) || isShared(slots, write) || source.bytes > target.bytes) continue;
      target.last = Math.max(source.last, time + 0.5);
      slots[write] = target;
    }
  });
}

/** Gives each slot the lowest place free during its life, largest slots first. */
function placeSlots(slots: Slot[]): number {
  /** By offset. */
  const placed: Slot[] = [];
  let end = 0;
  for (const slot of slots.toSorted((a, b) => b.bytes - a.bytes)) {
    if (slot.first > slot.last) continue;
    let offset = 0;
    for (const other of placed) {
      if (other.first > slot.last || slot.first > other.last) continue;
      if (offset + slot.bytes <= other.offset) break;
      offset = Math.max(offset, align(other.offset + other.bytes));
    }
    slot.offset = offset;
    const next = placed.findIndex((other) => other.offset > offset);
    placed.splice(next === -1 ? placed.length : next, 0, slot);
    end = Math.max(end, align(offset + slot.bytes));
  }
  return end;
}

const align = (bytes: number) => Math.ceil(bytes / alignment) * alignment;
