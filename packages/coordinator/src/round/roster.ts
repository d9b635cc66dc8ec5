/**
 * The workers of a run as a value that is never changed, in the order of their slots. One worker more or less, or changed, costs a
 * few hundred words however many there are, and so does asking how many are present, who is away, or which slot is free. Of a
 * worker about whom there is nothing to tell but its name, nothing else is held: a million idle ones take some 100 MB.
 */
import { IdTable } from "./idTable.ts";
import { SlotTable } from "./slotTable.ts";

/** What a roster needs to know of a worker. */
export interface Rostered {
  readonly id: string;
  readonly slot: number;
  /** When its connection was lost; undefined while it is present. */
  readonly awaySinceMs: number | undefined;
  readonly ownExamples?: number | undefined;
}

/** Workers about whom there is nothing to tell yet. */
export interface Freshness<W> {
  readonly make: (id: string, slot: number) => W;
  readonly is: (worker: W) => boolean;
}

interface Tables<W extends Rostered> {
  readonly fresh: Freshness<W> | undefined;
  readonly slots: IdTable;
  readonly ids: SlotTable<string>;
  /** Of those that are not fresh. */
  readonly states: SlotTable<W>;
  /** Slots of those whose connection is lost. */
  readonly away: IdTable;
  /** Slots that were held once, or passed over, and are free. */
  readonly vacant: SlotTable<number>;
  /** Every slot from here on is free. */
  readonly end: number;
  /** Workers that brought examples, and how many in all. */
  readonly owners: number;
  readonly owned: number;
}

export class Roster<W extends Rostered> implements ReadonlyMap<string, W> {
  readonly #tables: Tables<W>;

  private constructor(tables: Tables<W>) {
    this.#tables = tables;
  }

  /** @param fresh which workers can be made again from name and slot; none by default */
  static empty<W extends Rostered>(fresh?: Freshness<W>): Roster<W> {
    const { empty } = SlotTable;
    const none = { slots: IdTable.empty, ids: empty, states: empty, away: IdTable.empty, vacant: empty };
    return new Roster<W>({ fresh, ...none, end: 0, owners: 0, owned: 0 });
  }

  get size(): number {
    return this.#tables.slots.size;
  }

  /** How many are connected. */
  get present(): number {
    return this.size - this.#tables.away.size;
  }

  /** How many brought examples of their own. */
  get owners(): number {
    return this.#tables.owners;
  }

  /** Examples that they brought together. */
  get owned(): number {
    return this.#tables.owned;
  }

  get(id: string): W | undefined {
    const slot = this.#tables.slots.get(id);
    return slot === undefined ? undefined : this.at(slot);
  }

  has(id: string): boolean {
    return this.#tables.slots.get(id) !== undefined;
  }

  /** The worker in a slot. */
  at(slot: number): W | undefined {
    const { states, ids, fresh } = this.#tables;
    const state = states.get(slot);
    if (state !== undefined || fresh === undefined) return state;
    const id = ids.get(slot);
    return id === undefined ? undefined : fresh.make(id, slot);
  }

  /** With this worker, new or in place of what was known of it. */
  with(worker: W): Roster<W> {
    const { id, slot, awaySinceMs, ownExamples } = worker;
    const known = this.get(id);
    if (known !== undefined && known.slot !== slot) return this.without([id]).with(worker);
    const taken = this.#tables.ids.get(slot);
    if (taken !== undefined && taken !== id) throw new Error(`slot ${slot} is worker ${taken}'s, not ${id}'s`);
    const { fresh, slots, ids, states, away, owners, owned } = this.#tables;
    let { vacant, end } = this.#tables;
    if (vacant.get(slot) !== undefined) vacant = vacant.with(slot, undefined);
    for (; end <= slot; end++) if (end < slot) vacant = vacant.with(end, end);
    const isAway = awaySinceMs !== undefined;
    const isFresh = fresh?.is(worker) === true;
    return new Roster({
      fresh,
      slots: known === undefined ? slots.with(id, slot) : slots,
      ids: known === undefined ? ids.with(slot, id) : ids,
      states: isFresh && states.get(slot) === undefined ? states : states.with(slot, isFresh ? undefined : worker),
      away: isAway === (known?.awaySinceMs !== undefined) ? away : isAway ? away.with(id, slot) : away.without(id),
      vacant,
      end,
      owners: owners + Number(ownExamples !== undefined) - Number(known?.ownExamples !== undefined),
      owned: owned + (ownExamples ?? 0) - (known?.ownExamples ?? 0),
    });
  }

  /** With many new workers at once, who take the lowest free slots in the order given. */
  withFresh(newcomers: readonly string[]): Roster<W> {
    const { make } = this.#tables.fresh ?? {};
    if (make === undefined) throw new Error("a roster without a rule for it holds no fresh workers");
    let roster = new Roster(this.#tables);
    let filled = 0;
    for (; filled < newcomers.length && roster.#tables.vacant.size > 0; filled++) {
      roster = roster.with(make(newcomers[filled] ?? "", roster.freeSlot(undefined)));
    }
    const rest = newcomers.slice(filled);
    const { slots, ids, end, ...others } = roster.#tables;
    return new Roster({
      ...others,
      slots: slots.withAll(rest, end),
      ids: ids.withAll(end, rest),
      end: end + rest.length,
    });
  }

  without(ids: readonly string[]): Roster<W> {
    let { slots, ids: names, states, away, vacant, owners, owned } = this.#tables;
    for (const id of ids) {
      const slot = slots.get(id);
      if (slot === undefined) continue;
      const { ownExamples } = states.get(slot) ?? {};
      slots = slots.without(id);
      names = names.with(slot, undefined);
      if (states.get(slot) !== undefined) states = states.with(slot, undefined);
      away = away.without(id);
      vacant = vacant.with(slot, slot);
      owners -= Number(ownExamples !== undefined);
      owned -= ownExamples ?? 0;
    }
    const { fresh, end } = this.#tables;
    return new Roster({ fresh, slots, ids: names, states, away, vacant, end, owners, owned });
  }

  /** Those whose connection is lost. */
  *absent(): Generator<W, void, undefined> {
    for (const id of this.#tables.away.ids()) {
      const worker = this.get(id);
      if (worker !== undefined) yield worker;
    }
  }

  /** Those about whom there is something to tell, in the order of slots. */
  known(): Generator<W, void, undefined> {
    return this.#tables.states.values();
  }

  /** Slots below `end` that nobody holds, in order. */
  vacancies(): { readonly end: number; readonly slots: readonly number[] } {
    return { end: this.#tables.end, slots: [...this.#tables.vacant.values()] };
  }

  /** The slot wanted if it is free, otherwise the lowest free one. */
  freeSlot(wanted: number | undefined): number {
    const { ids, vacant, end } = this.#tables;
    if (wanted !== undefined && ids.get(wanted) === undefined) return wanted;
    return vacant.first() ?? end;
  }

  *values(): Generator<W, undefined, undefined> {
    const { ids, end } = this.#tables;
    if (ids.size === 0) return;
    for (let slot = 0; slot < end; slot++) {
      const worker = this.at(slot);
      if (worker !== undefined) yield worker;
    }
  }

  *entries(): Generator<[string, W], undefined, undefined> {
    for (const worker of this.values()) yield [worker.id, worker];
  }

  *keys(): Generator<string, undefined, undefined> {
    yield* this.#tables.ids.values();
  }

  [Symbol.iterator](): Generator<[string, W], undefined, undefined> {
    return this.entries();
  }

  forEach(callback: (worker: W, id: string, all: ReadonlyMap<string, W>) => void): void {
    for (const worker of this.values()) callback(worker, worker.id, this);
  }
}
