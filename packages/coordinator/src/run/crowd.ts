/**
 * Many workers that come together and stand behind one entrance, such as those of a simulation. They count as registered and
 * ready like any other; but each has a connection, and a session here, only while there is something between it and the run, so
 * a million of them with nothing to do cost the run their names. They are not known by tokens: none outlives the process.
 */
import type { Message } from "@weft/protocol";
import type { Connection } from "@weft/transport";
import type { Identity } from "../session/identities.ts";
import type { Session } from "../session/session.ts";

/** The other side of a crowd. */
export interface CrowdEntrance extends Pick<Connection, "stats" | "closed"> {
  /** Says the same to so many of its workers, those without a connection. */
  tell(message: Message, workers: number): void;
  /** A connection to the worker at a place, 0 to size − 1, on which all up to "ready" has been said. */
  connect(place: number): Connection;
  /** What its workers compute with. */
  readonly device: string;
}

/** A crowd that a run has taken in. */
export interface AttachedCrowd {
  /** A worker that had gone is there again. */
  arrive(place: number): void;
  /** A worker goes without a word. */
  vanish(place: number): void;
}

export class Crowd {
  readonly name: string;
  readonly size: number;
  readonly entrance: CrowdEntrance;
  /** Those that have one now. */
  readonly called = new Set<Session>();
  readonly #absent = new Set<number>();

  constructor(name: string, size: number, entrance: CrowdEntrance) {
    this.name = name;
    this.size = size;
    this.entrance = entrance;
  }

  get present(): number {
    return this.size - this.#absent.size;
  }

  isThere(place: number): boolean {
    return place < this.size && !this.#absent.has(place);
  }

  /** Whether that changed anything. */
  setThere(place: number, isThere: boolean): boolean {
    if (this.isThere(place) === isThere || place >= this.size) return false;
    if (isThere) this.#absent.delete(place);
    else this.#absent.add(place);
    return true;
  }

  /** The identity of a worker names its crowd and place: short, for there may be millions. */
  idOf(place: number): string {
    return `${this.name}.${place}`;
  }

  identityOf(place: number): { readonly identity: Identity; readonly device: string } {
    const worker = this.idOf(place);
    const anonymous = { tokenHash: "", known: false };
    return { identity: { worker, slot: undefined, name: worker, ...anonymous }, device: this.entrance.device };
  }
}
