/** Who is there: sessions by worker, and crowds, whose workers have a session while there is something to say to them. */
import type { Message } from "@weft/protocol";
import type { Connection } from "@weft/transport";
import { Session, type SessionContext } from "../session/session.ts";
import { Crowd, type CrowdEntrance } from "./crowd.ts";
import { Traffic } from "./traffic.ts";

export class Attendance {
  readonly traffic = new Traffic();
  readonly #context: SessionContext;
  readonly #sessions = new Set<Session>();
  readonly #byWorker = new Map<string, Session>();
  readonly #joined = new Set<Session>();
  readonly #crowds = new Map<string, Crowd>();

  constructor(context: SessionContext) {
    this.#context = context;
  }

  /** Every session that is open. */
  get sessions(): ReadonlySet<Session> {
    return this.#sessions;
  }

  /** Begins a session; nobody has said yet who it is. */
  attach(connection: Connection): void {
    this.#watch(new Session(connection, this.#context));
  }

  #watch(session: Session): void {
    this.traffic.add(session);
    this.#sessions.add(session);
  }

  /** Its connection is gone. */
  closed(session: Session): void {
    this.#sessions.delete(session);
    this.traffic.ended(session);
  }

  /** The session is this worker's from now on; the one that was before, if there is one, and whether that had joined. */
  name(session: Session): { readonly before: Session; readonly hadJoined: boolean } | undefined {
    const before = this.#byWorker.get(session.worker);
    this.#byWorker.set(session.worker, session);
    return before && { before, hadJoined: this.#joined.delete(before) };
  }

  join(session: Session): void {
    this.#joined.add(session);
  }

  /** Whether it had joined. */
  end(session: Session): boolean {
    if (this.#byWorker.get(session.worker) === session) this.#byWorker.delete(session.worker);
    return this.#joined.delete(session);
  }

  /** The session with a worker; one of a crowd that is there gets one now. */
  of(worker: string): Session | undefined {
    const known = this.#byWorker.get(worker);
    if (known !== undefined) return known;
    const found = this.#memberOf(worker);
    if (found === undefined || !found.crowd.isThere(found.place)) return undefined;
    const { crowd, place } = found;
    const session = new Session(crowd.entrance.connect(place), this.#context, crowd.identityOf(place));
    this.#watch(session);
    this.#byWorker.set(worker, session);
    this.#joined.add(session);
    crowd.called.add(session);
    return session;
  }

  #memberOf(worker: string): { readonly crowd: Crowd; readonly place: number } | undefined {
    const crowd = this.#crowds.get(worker.slice(0, worker.lastIndexOf(".")));
    return crowd && { crowd, place: Number(worker.slice(worker.lastIndexOf(".") + 1)) };
  }

  /** Takes in a crowd: all of its workers are there. */
  attachCrowd(entrance: CrowdEntrance, size: number): Crowd {
    const crowd = new Crowd(`c${this.#crowds.size + 1}`, size, entrance);
    this.#crowds.set(crowd.name, crowd);
    const source = { connection: entrance, worker: crowd.name };
    this.traffic.add(source);
    void entrance.closed.then(() => {
      this.traffic.ended(source);
    });
    return crowd;
  }

  /** Ends the session that a worker of a crowd has, if it has one, without a word to the run. */
  dismissCalled(crowd: Crowd, worker: string): void {
    const session = this.#byWorker.get(worker);
    if (session !== undefined) this.#letGo(crowd, session, "gone");
  }

  /** Says the same to every worker that has joined. */
  tell(message: Message): void {
    for (const session of this.#joined) void session.send(message);
    for (const { entrance, present, called } of this.#crowds.values()) {
      if (present > called.size) entrance.tell(message, present - called.size);
    }
  }

  /**
   * Ends sessions of crowds that have had nothing to do for so long that what they hold of the model is of no use any more: those
   * workers are still there, and get another when they are called.
   *
   * @param oldest version that is of use to whoever holds it
   */
  letGoOfIdle(oldest: number, isBusy: (worker: string) => boolean): void {
    for (const crowd of this.#crowds.values()) {
      for (const session of crowd.called) {
        if ((session.heldVersion ?? -Infinity) >= oldest || isBusy(session.worker)) continue;
        this.#letGo(crowd, session, "nothing to do");
      }
    }
  }

  #letGo(crowd: Crowd, session: Session, reason: string): void {
    crowd.called.delete(session);
    this.end(session);
    session.letGo(reason);
  }

  async close(code: number, reason: string): Promise<void> {
    const connections = [...this.#sessions].map(({ connection }) => connection);
    for (const connection of connections) connection.close(code, reason);
    await Promise.all(connections.map(({ closed }) => closed));
  }
}
