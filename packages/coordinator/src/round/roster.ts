/**
 * The workers of a run as a value that is never changed, in the order of their slots. One worker more or less, or changed, costs a
 * few hundred words however many there are, and so does asking how many are present, who is away, or which slot is free.
 */
import { IdTable } from "./idTable.ts";
import { SlotTable } from "./slotTable.ts";

/** What a roster needs to know of a worker. */
export interface Rostered {
  readonly id: string;
  readonly slot: number;
  /** When its connection was lost; undefined while it is present. */
  readonly awaySinceMs: number | undefined;
}

interface Tables<W extends Rostered> {
  readonly slots: IdTable;
  readonly workers: SlotTable<W>;
  /** Slots of those whose connection is lost. */
  readonly away: IdTable;
  /** Slots that were held once, or passed over, and are free. */
  readonly vacant: SlotTable<typeof vacancy>;
  /** Every slot from here on is free. */
  readonly end: number;
}

const vacancy = {};

export class Roster<W extends Rostered> implements ReadonlyMap<string, W> {
  readonly #tables: Tables<W>;

  private constructor(tables: Tables<W>) {
    this.#tables = tables;
  }

  static empty<W extends Rostered>(): Roster<W> {
    return new Roster<W>({
      slots: IdTable.empty,
      workers: SlotTable.empty,
      away: IdTable.empty,
      vacant: SlotTable.empty,
      end: 0,
    });
  }

  get size(): number {
    return this.#tables.slots.size;
  }

  /** How many are connected. */
  get present(): number {
    return this.size - this.#tables.away.size;
  }

  get(id: string): W | undefined {
    const slot = this.#tables.slots.get(id);
    return slot === undefined ? undefined : this.#tables.workers.get(slot);
  }

  has(id: string): boolean {
    return this.#tables.slots.get(id) !== undefined;
  }

  /** With this worker, new or in place of what was known of it. */
  with(worker: W): Roster<W> {
    const { id, slot, awaySinceMs } = worker;
    const known = this.get(id);
    if (known !== undefined && known.slot !== slot) return this.without([id]).with(worker);
    const taken = this.#tables.workers.get(slot);
    if (taken !== undefined && taken.id !== id) throw new Error(`slot ${slot} is worker ${taken.id}'s, not ${id}'s`);
    const { slots, workers, away } = this.#tables;
    let { vacant, end } = this.#tables;
    if (vacant.get(slot) !== undefined) vacant = vacant.with(slot, undefined);
    for (; end <= slot; end++) if (end < slot) vacant = vacant.with(end, vacancy);
    const isAway = awaySinceMs !== undefined;
    return new Roster({
      slots: known === undefined ? slots.with(id, slot) : slots,
      workers: workers.with(slot, worker),
      away: isAway === (known?.awaySinceMs !== undefined) ? away : isAway ? away.with(id, slot) : away.without(id),
      vacant,
      end,
    });
  }

  without(ids: readonly string[]): Roster<W> {
    let { slots, workers, away, vacant } = this.#tables;
    for (const id of ids) {
      const slot = slots.get(id);
      if (slot === undefined) continue;
      slots = slots.without(id);
      workers = workers.with(slot, undefined);
      away = away.without(id);
      vacant = vacant.with(slot, vacancy);
    }
    return new Roster({ slots, workers, away, vacant, end: this.#tables.end });
  }

  /** Those whose connection is lost. */
  *absent(): Generator<W, void, undefined> {
    for (const id of this.#tables.away.ids()) {
      const worker = this.get(id);
      if (worker !== undefined) yield worker;
    }
  }

  /** The slot wanted if it is free, otherwise the lowest free one. */
  freeSlot(wanted: number | undefined): number {
    const { workers, vacant, end } = this.#tables;
    if (wanted !== undefined && workers.get(wanted) === undefined) return wanted;
    return vacant.first() ?? end;
  }

  values(): Generator<W, undefined, undefined> {
    return this.#tables.workers.values() as Generator<W, undefined, undefined>;
  }

  *entries(): Generator<[string, W], undefined, undefined> {
    for (const worker of this.values()) yield [worker.id, worker];
  }

  *keys(): Generator<string, undefined, undefined> {
    for (const { id } of this.values()) yield id;
  }

  [Symbol.iterator](): Generator<[string, W], undefined, undefined> {
    return this.entries();
  }

  forEach(callback: (worker: W, id: string, all: ReadonlyMap<string, W>) => void): void {
    for (const worker of this.values()) callback(worker, worker.id, this);
  }
}
