/**
 * What a worker keeps between rounds, as named flat vectors: what its codec still owes, control variates and the like. An
 * update's own changes to it are staged when the update is sent, and become the state only once the coordinator has counted
 * the update and committed the version it went into. So an update that is refused, or lost with a coordinator, changes nothing.
 */

/** Names an update. */
export interface UpdateName {
  readonly round: number;
  readonly attempt: number;
}

export type StateVectors = Readonly<Record<string, Float32Array>>;

interface Staged extends UpdateName {
  readonly vectors: StateVectors;
  /** The version that the update goes into, once it was accepted. */
  readonly version?: number | undefined;
}

export interface StateSnapshot {
  readonly settled: StateVectors;
  readonly staged: readonly Staged[];
}

export class LocalState {
  #settled: StateVectors = {};
  #staged: readonly Staged[] = [];

  /** The vector of that name as the next update is to find it: accepted updates count, others do not. */
  read(name: string): Float32Array | undefined {
    const newest = this.#staged.findLast(({ version, vectors }) => version !== undefined && name in vectors);
    return (newest?.vectors ?? this.#settled)[name];
  }

  /** Whether this very vector is the state's, or may yet become so. */
  holds(vector: Float32Array): boolean {
    const all = [this.#settled, ...this.#staged.map(({ vectors }) => vectors)];
    return all.some((vectors) => Object.values(vectors).includes(vector));
  }

  /** Notes what the state becomes if this update counts; the vectors are kept and must not change any more. */
  stage(update: UpdateName, vectors: StateVectors): void {
    const { round, attempt } = update;
    const others = this.#staged.filter((staged) => !same(staged, update));
    // An update that leaves nothing behind need not be asked about.
    const isEmpty = Object.keys(vectors).length === 0;
    this.#staged = isEmpty ? others : [...others, { round, attempt, vectors }];
  }

  /**
   * What became of an update.
   *
   * @param version the one that an accepted update goes into; by default its round's
   */
  verdict(update: UpdateName, accepted: boolean, version = update.round): void {
    this.#staged = this.#staged.flatMap((staged) => {
      if (!same(staged, update)) return [staged];
      if (accepted) return [{ ...staged, version }];
      // What was counted once is not undone by a second copy that came too late.
      return staged.version === undefined ? [] : [staged];
    });
  }

  /**
   * A version was committed: the accepted updates that went into it, or into one before, are part of the state now. Returns
   * whether there were any.
   */
  settle(version: number): boolean {
    const isSettled = (staged: Staged) => staged.version !== undefined && staged.version <= version;
    const settled = this.#staged.filter(isSettled);
    for (const { vectors } of settled) this.#settled = { ...this.#settled, ...vectors };
    this.#staged = this.#staged.filter((staged) => !isSettled(staged));
    return settled.length > 0;
  }

  /** Updates whose fate is not yet final; asked of the coordinator when a connection begins. */
  get open(): UpdateName[] {
    return this.#staged.map(({ round, attempt }) => ({ round, attempt }));
  }

  /**
   * A new connection: of the open updates, the coordinator has counted these, in a version that is committed or being
   * gathered; the others are lost unless they are still to be sent.
   */
  reconcile(
    counted: readonly (UpdateName & { readonly version: number })[],
    toBeSent: readonly UpdateName[] = [],
  ): void {
    this.#staged = this.#staged.flatMap((staged): Staged[] => {
      const found = counted.find((update) => same(staged, update));
      if (found) return [{ ...staged, version: found.version }];
      return toBeSent.some((update) => same(staged, update)) ? [{ ...staged, version: undefined }] : [];
    });
  }

  /** Another run has begun: nothing of the last one is of use. */
  clear(): void {
    this.#settled = {};
    this.#staged = [];
  }

  /** Everything, to be stored; the vectors are not copied. */
  snapshot(): StateSnapshot {
    return { settled: this.#settled, staged: this.#staged };
  }

  restore({ settled, staged }: StateSnapshot): void {
    this.#settled = settled;
    this.#staged = staged;
  }
}

const same = (a: UpdateName, b: UpdateName) => a.round === b.round && a.attempt === b.attempt;
