/** Who is who across connections: resume tokens are random, kept as hashes, and name a worker and its slot. */
import { hash, randomBytes } from "node:crypto";
import type { StoredWorker } from "../store/database.ts";

export interface Identity {
  readonly worker: string;
  /** Slot held before; undefined for a new worker. */
  readonly slot: number | undefined;
  readonly name: string;
  readonly tokenHash: string;
  /** The worker was known by its token. */
  readonly known: boolean;
}

/** Who a worker is, and what it is to show when it comes back. */
export interface Identified {
  readonly identity: Identity;
  /** Told to the worker, and not kept. */
  readonly resumeToken: string;
}

/** Where identities outlive the process; without one they last as long as it. */
export interface IdentityStore {
  findWorker(tokenHash: string): StoredWorker | undefined;
  saveWorker(worker: StoredWorker): void;
  forgetWorkers(ids: readonly string[]): void;
}

/** Of a run that is not stored; the oldest is forgotten first. */
const rememberedWorkers = 10_000;

export function createIdentities(store: IdentityStore = memoryIdentities()) {
  return {
    /** The worker that a token names, or a new one. */
    identify(name: string, resumeToken: string | undefined): Identified {
      const known = resumeToken === undefined ? undefined : store.findWorker(hashOfToken(resumeToken));
      if (known !== undefined && resumeToken !== undefined) {
        const { id: worker, slot, tokenHash } = known;
        return { identity: { worker, slot, name, tokenHash, known: true }, resumeToken };
      }
      const fresh = randomBytes(32).toString("base64url");
      const worker = randomBytes(6).toString("hex");
      const identity = { worker, slot: undefined, name, tokenHash: hashOfToken(fresh), known: false };
      return { identity, resumeToken: fresh };
    },

    knows: (resumeToken: string): boolean => store.findWorker(hashOfToken(resumeToken)) !== undefined,

    /** Notes the slot a worker was given. */
    save({ worker: id, name, tokenHash }: Identity, slot: number): void {
      store.saveWorker({ id, slot, name, tokenHash });
    },

    /** Workers that come back after this are strangers. */
    forget(ids: readonly string[]): void {
      store.forgetWorkers(ids);
    },
  };
}

export type Identities = ReturnType<typeof createIdentities>;

/** Looked up by hash, so a lookup's time tells nothing about stored tokens. */
const hashOfToken = (token: string) => hash("sha256", token, "hex");

function memoryIdentities(): IdentityStore {
  const workers = new Map<string, StoredWorker>();
  return {
    findWorker: (tokenHash) => workers.get(tokenHash),
    saveWorker(worker) {
      workers.delete(worker.tokenHash);
      workers.set(worker.tokenHash, worker);
      for (const oldest of workers.keys()) {
        if (workers.size <= rememberedWorkers) break;
        workers.delete(oldest);
      }
    },
    forgetWorkers(ids) {
      const forgotten = new Set(ids);
      for (const [tokenHash, { id }] of workers) if (forgotten.has(id)) workers.delete(tokenHash);
    },
  };
}
