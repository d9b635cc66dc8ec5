/**
 * What all sockets of a thread read and write within one turn of its event loop. Left alone, libuv reads up to 2 MiB from every
 * socket that has something before any timer has its turn: with a hundred senders, some hundred milliseconds' work. Here a turn
 * ends after a few milliseconds or megabytes: whoever comes after that is held until a later turn, by round robin, and TCP
 * pushes back. So are messages, in and out: they are small, and go before what others have to read and write, but a hundred at
 * once take tens of milliseconds all the same.
 */
export interface SocketTurnLimits {
  readonly turnBytes: number;
  readonly turnMs: number;
  /** Bytes of all sockets that may wait for the kernel to take them, all of which it may do in one turn. */
  readonly queueBytes: number;
  readonly nowMs: () => number;
}

const mebibyte = 1024 * 1024;
const defaults: SocketTurnLimits = {
  turnBytes: 2 * mebibyte,
  turnMs: 3,
  queueBytes: 4 * mebibyte,
  nowMs: () => performance.now(),
};

/** Sockets that go on in one turn. */
const togetherAtMost = 8;
/** The least that a socket may take in its turn. */
const leastShareBytes = 256 * 1024;

/** What waits goes on when this is called. */
export type GoOn = () => void;

export class SocketTurns {
  readonly #limits: SocketTurnLimits;
  /** In the order they will go on. */
  readonly #held: GoOn[] = [];
  /** The same for messages. */
  readonly #messages: GoOn[] = [];
  /** Those that went on in this turn: so many share it. */
  #together = 0;
  /** Counts turns in which anything passed. */
  turn = 0;
  /** Bytes that wait for the kernel to take them. */
  #queuedBytes = 0;
  #bytes = 0;
  #beganMs = 0;
  #isScheduled = false;
  #bar: Promise<unknown> | undefined;

  constructor(limits: Partial<SocketTurnLimits> = {}) {
    this.#limits = { ...defaults, ...limits };
  }

  /** So many bytes have passed. */
  spend(bytes: number): void {
    this.#schedule();
    this.#bytes += bytes;
  }

  /** Whether nothing more should pass in this turn. */
  get isOver(): boolean {
    if (!this.#isScheduled) return false;
    const { turnBytes, turnMs, nowMs } = this.#limits;
    return this.#bytes >= turnBytes || nowMs() - this.#beganMs >= turnMs;
  }

  /**
   * Sockets that have much to read wait until then, for what has come has nowhere to go: TCP pushes back. Messages by themselves
   * pass, and so does all that is sent.
   *
   * @param until never rejects; what was asked for before is waited for too
   */
  barBulk(until: Promise<unknown>): void {
    const bar = Promise.all([this.#bar, until]).then(() => {
      if (this.#bar === bar) this.#bar = undefined;
    });
    this.#bar = bar;
  }

  /** Resolves when bulk may be read again; undefined while it may be. */
  get bar(): Promise<unknown> | undefined {
    return this.#bar;
  }

  /** So many bytes more, or less, wait for the kernel. */
  queue(bytes: number): void {
    this.#queuedBytes += bytes;
  }

  /** Whether so much waits that only sockets with nothing of their own in it should add to it. */
  get isQueueFull(): boolean {
    return this.#queuedBytes >= this.#limits.queueBytes;
  }

  /** What one socket may take of this turn, of so many as there are. */
  get shareBytes(): number {
    const sharing = Math.min(togetherAtMost, this.#together + this.#held.length);
    return Math.max(leastShareBytes, this.#limits.turnBytes / Math.max(1, sharing));
  }

  /**
   * Calls in a later turn, when those who wait already have gone on.
   *
   * @param wasCutShort the turn was over before it had its share: it goes on before the others
   */
  hold(goOn: GoOn, wasCutShort = false): void {
    if (wasCutShort) this.#held.unshift(goOn);
    else this.#held.push(goOn);
    this.#schedule();
  }

  /** Calls in a later turn, before those who wait to read or write: one message takes little. */
  holdMessage(goOn: GoOn): void {
    this.#messages.push(goOn);
    this.#schedule();
  }

  /** What has ended need not go on. */
  forget(goOn: GoOn | undefined): void {
    if (goOn === undefined) return;
    for (const held of [this.#held, this.#messages]) {
      const at = held.indexOf(goOn);
      if (at >= 0) held.splice(at, 1);
    }
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#begin();
    setImmediate(this.#next);
  }

  #begin(): void {
    this.turn += 1;
    this.#bytes = 0;
    this.#beganMs = this.#limits.nowMs();
    this.#together = 0;
  }

  readonly #next = (): void => {
    this.#isScheduled = false;
    if (this.#held.length + this.#messages.length === 0) return;
    this.#schedule();
    this.#goOnWithMessages();
    // Whoever is held again meanwhile waits for the turn after; one goes on in any case.
    const most = Math.min(this.#held.length, togetherAtMost);
    while (this.#together < most && (this.#together === 0 || !this.isOver)) {
      this.#together += 1;
      this.#held.shift()?.();
    }
  };

  /** As many as the turn has room for, and one in any case; what is held again meanwhile waits for the turn after. */
  #goOnWithMessages(): void {
    let left = this.#messages.length;
    do this.#messages.shift()?.();
    while (--left > 0 && !this.isOver);
  }
}

/** Of this thread. */
export const socketTurns = new SocketTurns();
