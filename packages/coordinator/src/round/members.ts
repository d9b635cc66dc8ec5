/**
 * The members of a round as a value that is never changed: one that changes costs a few small arrays, however many there are, and
 * nothing has to be counted.
 */
import { SlotTable } from "./slotTable.ts";
import type { Member } from "./state.ts";

type Status = Member["status"];
type Counts = Readonly<Record<Status, number>>;

interface Parts {
  /** Shared by all that follow from one. */
  readonly places: ReadonlyMap<string, number>;
  readonly table: SlotTable<Member>;
  readonly counts: Counts;
}

export class Members implements ReadonlyMap<string, Member> {
  readonly #parts: Parts;

  private constructor(parts: Parts) {
    this.#parts = parts;
  }

  static of(members: Iterable<Member>): Members {
    const all = [...members];
    const counts = { working: 0, delivered: 0, refused: 0, left: 0 };
    for (const { status } of all) counts[status] += 1;
    const places = new Map(all.map(({ worker }, place) => [worker, place]));
    const none: SlotTable<Member> = SlotTable.empty;
    return new Members({ places, table: none.withAll(0, all), counts });
  }

  /** Any map of members as one of these. */
  static from(members: ReadonlyMap<string, Member>): Members {
    return members instanceof Members ? members : Members.of(members.values());
  }

  /** With another member in the place of the one of that worker, who is in it. */
  with(member: Member): Members {
    const { places, table, counts } = this.#parts;
    const place = places.get(member.worker);
    const before = place === undefined ? undefined : table.get(place);
    if (place === undefined || before === undefined) throw new Error(`${member.worker} is no member of the round`);
    const moved = { ...counts, [before.status]: counts[before.status] - 1 };
    return new Members({
      places,
      table: table.with(place, member),
      counts: { ...moved, [member.status]: moved[member.status] + 1 },
    });
  }

  /** How many are in that state. */
  count(status: Status): number {
    return this.#parts.counts[status];
  }

  get size(): number {
    return this.#parts.places.size;
  }

  get(worker: string): Member | undefined {
    const place = this.#parts.places.get(worker);
    return place === undefined ? undefined : this.#parts.table.get(place);
  }

  has(worker: string): boolean {
    return this.#parts.places.has(worker);
  }

  *values(): Generator<Member, undefined, undefined> {
    yield* this.#parts.table.values();
  }

  *entries(): Generator<[string, Member], undefined, undefined> {
    for (const member of this.values()) yield [member.worker, member];
  }

  *keys(): Generator<string, undefined, undefined> {
    yield* this.#parts.places.keys();
  }

  [Symbol.iterator](): Generator<[string, Member], undefined, undefined> {
    return this.entries();
  }

  forEach(callback: (member: Member, worker: string, all: ReadonlyMap<string, Member>) => void): void {
    for (const member of this.values()) callback(member, member.worker, this);
  }
}
