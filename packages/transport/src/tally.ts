/** What a connection's bytes were for: counted by kind of message and codec, headers and frames included. */

export interface TallyEntry {
  /** Kind of the message; "link" for what keeps the connection going, "other" beyond a number of entries. */
  readonly kind: string;
  /** Of a message that says in which codec its payload is; a version sent as a difference says so too ("int4 delta"). */
  readonly codec: string;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** A peer that names codecs at will must not make this grow. */
const maxEntries = 64;

type Counted = { -readonly [K in keyof TallyEntry]: TallyEntry[K] };

export class Tally {
  readonly #entries = new Map<string, Counted>();

  entries(): Iterable<TallyEntry> {
    return this.#entries.values();
  }

  count(account: Account, way: "sentBytes" | "receivedBytes", bytes: number): void {
    this.#entry(account)[way] += bytes;
  }

  #entry({ kind, codec }: Account): Counted {
    const name = `${kind} ${codec}`;
    const known = this.#entries.get(name);
    if (known !== undefined) return known;
    if (this.#entries.size >= maxEntries && kind !== otherAccount.kind) return this.#entry(otherAccount);
    const entry = { kind, codec, sentBytes: 0, receivedBytes: 0 };
    this.#entries.set(name, entry);
    return entry;
  }
}

/** Where bytes are counted. */
export interface Account {
  readonly kind: string;
  readonly codec: string;
}

export const linkAccount: Account = { kind: "link", codec: "" };
const otherAccount: Account = { kind: "other", codec: "" };

export function accountOf(message: {
  readonly kind: string;
  readonly codec?: string | undefined;
  readonly delta?: unknown;
}): Account {
  const { kind, codec = "", delta } = message;
  return { kind, codec: delta === undefined ? codec : `${codec} delta` };
}
