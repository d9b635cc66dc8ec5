/** What a worker keeps, in a place that outlives its process: who it is, and its local state, as one safetensors file. */
import { decodeSafetensors, encodeSafetensors, type SafeTensor } from "@weft/vector";
import type { LocalState, StateSnapshot, StateVectors, UpdateName } from "./localState.ts";

/** One file, say. */
export interface StateStore {
  /** What was saved last; undefined before the first time. */
  load(): Promise<Uint8Array | undefined>;
  /** All or nothing: an interruption leaves what was there. */
  save(bytes: Uint8Array): Promise<void>;
}

/** The part of a worker's identity that is stored. */
export interface StoredIdentity {
  run?: string;
  resume?: string;
  readonly state: LocalState;
}

/** Saves one after the other; while one is being written, only the newest of those that follow is. */
export class StoredState {
  readonly #store: StateStore | undefined;
  readonly #identity: StoredIdentity;
  readonly #onProblem: (reason: string) => void;
  #saving: Promise<void> = Promise.resolve();
  #waiting: Promise<void> | undefined;

  /** @param onProblem the worker goes on with what it has in memory */
  constructor(
    store: StateStore | undefined,
    { identity, onProblem }: { readonly identity: StoredIdentity; readonly onProblem: (reason: string) => void },
  ) {
    this.#store = store;
    this.#identity = identity;
    this.#onProblem = onProblem;
  }

  async restore(): Promise<void> {
    try {
      const bytes = await this.#store?.load();
      if (bytes === undefined) return;
      const { run, resume, snapshot } = decodeState(bytes);
      Object.assign(this.#identity, { run, resume });
      this.#identity.state.restore(snapshot);
    } catch (error) {
      this.#onProblem(`the stored state is passed over: ${messageOf(error)}`);
    }
  }

  /** Resolves once what is there now is stored, or has failed to be. */
  save(): Promise<void> {
    if (this.#store === undefined) return Promise.resolve();
    this.#waiting ??= this.#saving.then(() => {
      this.#waiting = undefined;
      this.#saving = this.#write();
      return this.#saving;
    });
    return this.#waiting;
  }

  async #write(): Promise<void> {
    try {
      await this.#store?.save(encodeState(this.#identity));
    } catch (error) {
      this.#onProblem(`the state could not be stored: ${messageOf(error)}`);
    }
  }
}

/** What the file says beside its vectors. */
interface Head {
  readonly run: string | undefined;
  readonly resume: string | undefined;
  readonly staged: readonly (UpdateName & { readonly version?: number | undefined })[];
}

/** Tensors are named "settled/NAME", and "staged.INDEX/NAME" for those of an update whose fate is open. */
function encodeState({ run, resume, state }: StoredIdentity): Uint8Array {
  const { settled, staged } = state.snapshot();
  const tensors = [
    ...tensorsOf("settled", settled),
    ...staged.flatMap(({ vectors }, index) => tensorsOf(`staged.${index}`, vectors)),
  ];
  const names = staged.map(({ round, attempt, version }) => ({ round, attempt, version }));
  return encodeSafetensors(tensors, { weft: JSON.stringify({ format: 1, run, resume, staged: names }) });
}

const tensorsOf = (group: string, vectors: StateVectors) =>
  Object.entries(vectors).map(([name, data]): SafeTensor => {
    // A worker's vectors are its own, never views of shared memory; the compiler cannot know.
    return { name: `${group}/${name}`, shape: [data.length], dtype: "F32", data: data as Float32Array<ArrayBuffer> };
  });

interface DecodedState {
  readonly run: string | undefined;
  readonly resume: string | undefined;
  readonly snapshot: StateSnapshot;
}

/** @throws {Error} for bytes that are no such file */
function decodeState(bytes: Uint8Array): DecodedState {
  const { tensors, metadata } = decodeSafetensors(bytes);
  const { run, resume, staged } = headOf(JSON.parse(metadata["weft"] ?? "{}"));
  const group = (wanted: string): StateVectors => {
    const found = [...tensors.values()].filter(({ name }) => name.startsWith(`${wanted}/`));
    return Object.fromEntries(
      found.flatMap(({ name, dtype, data }) =>
        dtype === "F32" ? [[name.slice(wanted.length + 1), data.slice()]] : [],
      ),
    );
  };
  const vectors = staged.map((update, index) => ({ ...update, vectors: group(`staged.${index}`) }));
  return { run, resume, snapshot: { settled: group("settled"), staged: vectors } };
}

/** @throws {Error} for what `encodeState` does not write */
function headOf(value: unknown): Head {
  const { format, run, resume, staged } = (value ?? {}) as Record<string, unknown>;
  const isText = (text: unknown): text is string | undefined => text === undefined || typeof text === "string";
  if (format !== 1 || !isText(run) || !isText(resume) || !Array.isArray(staged) || !staged.every(isUpdate)) {
    throw new Error("it is not a worker's state of format 1");
  }
  return { run, resume, staged };
}

function isUpdate(value: unknown): value is Head["staged"][number] {
  const { round, attempt, version = 0 } = (value ?? {}) as Record<string, unknown>;
  return [round, attempt, version].every(Number.isSafeInteger);
}

const messageOf = (error: unknown) => (error instanceof Error ? error.message : String(error));
