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

const none: never[] = [];

/** There is one for every connection, most of which have little to count: two arrays, no longer than they need be. */
export class Tally {
  #accounts: readonly Account[] = none;
  /** Sent and received of each account. */
  #bytes: number[] = none;

  /** In the order in which they were first counted, which stays the same. */
  *entries(): Generator<TallyEntry, void, undefined> {
    for (const [index, { kind, codec }] of this.#accounts.entries()) {
      const [sentBytes = 0, receivedBytes = 0] = this.#bytes.slice(2 * index, 2 * index + 2);
      yield { kind, codec, sentBytes, receivedBytes };
    }
  }

  count(account: Account, way: "sentBytes" | "receivedBytes", bytes: number): void {
    const at = 2 * this.#indexOf(account) + (way === "sentBytes" ? 0 : 1);
    this.#bytes[at] = (this.#bytes[at] ?? 0) + bytes;
  }

  #indexOf(account: Account): number {
    const { kind, codec } = account;
    const known = this.#accounts.findIndex((one) => one === account || (one.kind === kind && one.codec === codec));
    if (known >= 0) return known;
    if (this.#accounts.length >= maxEntries && account !== otherAccount) return this.#indexOf(otherAccount);
    // Joined rather than pushed: arrays that are pushed to have room for sixteen more.
    this.#accounts = this.#accounts.concat([account]);
    this.#bytes = this.#bytes.concat([0, 0]);
    return this.#accounts.length - 1;
  }
}

/** Where bytes are counted. */
export interface Account {
  readonly kind: string;
  readonly codec: string;
}

export const linkAccount: Account = { kind: "link", codec: "" };
const otherAccount: Account = { kind: "other", codec: "" };

/** Of messages without a codec, by kind: the same for all connections. Their kinds are those of the protocol, so they are few. */
const plainAccounts = new Map<string, Account>();

export function accountOf(message: {
  readonly kind: string;
  readonly codec?: string | undefined;
  readonly delta?: unknown;
}): Account {
  const { kind, codec = "", delta } = message;
  if (codec === "" && delta === undefined) return plainAccount(kind);
  return { kind, codec: delta === undefined ? codec : `${codec} delta` };
}

function plainAccount(kind: string): Account {
  const known = plainAccounts.get(kind);
  if (known !== undefined) return known;
  const account = { kind, codec: "" };
  plainAccounts.set(kind, account);
  return account;
}
