import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from '../../test/client.ts';
import { type Frame, Socket } from '../../test/socket.ts';
import { all, Fact, type Known } from './facts.ts';
import type { Verdicts } from './verdicts.ts';
import type { WallClock } from './wall.ts';

const REVOKED = 4403;
const OWN_TOPIC = 'member:me';
/** Topics that a socket follows at most; the oldest gives way. */
const TOPICS = 10;
/** A client that is not told within so long counts as not told: far longer than the bound that is measured. */
const CLOSE_WITHIN_SECONDS = 5;
const NARROW_WITHIN_MS = 500;

/** What a session is judged by. */
export interface Judging {
  verdicts: Verdicts;
  wall: WallClock;
  /** Whether its member may follow others' jobs. */
  mayFollow(from: number, to: number): Known;
}

/** A topic that is followed. */
interface Followed {
  /** When the client was told that it has ended. */
  ended: PromiseWithResolvers<number>;
  /** Whether it must end. */
  isDue: boolean;
}

/** One session of a member that works, with its socket. */
export class Session {
  readonly client: Client;
  readonly begun = performance.now();
  /** Whether it still holds. */
  readonly alive = new Fact(true, performance.now());
  readonly #judging: Judging;
  #socket: Socket | undefined;
  /** Subscriptions that are not answered, by `ref`. */
  readonly #asked = new Map<string, { topic: string; at: number }>();
  /** The topics that it follows, in the order in which it began to. */
  readonly #topics = new Map<string, Followed>();
  readonly #pings = new Map<string, number>();
  /** What comes now was sent after this: a ping was, and was answered before. */
  #sentAfter = Number.NEGATIVE_INFINITY;
  #refs = 0;

  constructor(token: string, judging: Judging) {
    this.client = new Client(token);
    this.#judging = judging;
  }

  /** The code that its socket was closed with, if it was. */
  get closed(): number | undefined {
    return this.#socket?.closed;
  }

  async open(): Promise<void> {
    const socket = await Socket.open(this.client.token);
    this.#socket = socket;
    socket.onFrame = (frame) => this.#receive(frame);
    socket.send({ type: 'subscribe', topics: [] });
  }

  /** What is sent after this is told from what was sent before. */
  ping(): void {
    this.#send({ type: 'ping' }, (ref, at) => this.#pings.set(ref, at));
  }

  follow(jobId: string): void {
    const topic = `job:${jobId}`;
    if (this.#topics.has(topic)) return;
    this.#send({ type: 'subscribe', topics: [topic] }, (ref, at) => this.#asked.set(ref, { topic, at }));
  }

  /** It has ended, which was acknowledged then: waits for the close. */
  async ended(acknowledged: number): Promise<void> {
    const socket = this.#socket;
    if (!socket) return;
    const { verdicts } = this.#judging;
    try {
      const wasOpen = socket.closed === undefined;
      const code = await socket.closeCode(CLOSE_WITHIN_SECONDS);
      verdicts.closes.push(wasOpen ? performance.now() - acknowledged : 0);
      if (code !== REVOKED) verdicts.violate('not closed', `the session has ended, and its socket was closed with ${code}`);
    } catch {
      verdicts.violate('not closed', `the socket of a session that has ended is open after ${CLOSE_WITHIN_SECONDS} s`);
    }
  }

  /** Whether a socket can be opened once the session has ended. */
  async knock(): Promise<void> {
    const asked = performance.now();
    if (this.alive.during(asked, asked) !== false) return;
    const socket = await Socket.open(this.client.token);
    const code = await socket.closeCode(CLOSE_WITHIN_SECONDS).catch(() => undefined);
    this.#judging.verdicts.judge('open a socket', false, code !== REVOKED, () => `it was closed with ${code}`);
    if (code === undefined) await socket.close();
  }

  /** A change was acknowledged then: what the member may not follow any more, it must be told to have ended. */
  async narrowed(acknowledged: number): Promise<void> {
    await Promise.all([...this.#topics.keys()].map((topic) => this.#endOf(topic, acknowledged)));
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#topics.clear();
    if (socket && socket.closed === undefined) await socket.close();
  }

  async #endOf(topic: string, since: number): Promise<void> {
    const { verdicts, mayFollow } = this.#judging;
    const isLost = (until: number): boolean =>
      this.#socket?.closed === undefined && this.alive.during(since, until) === true && mayFollow(since, until) === false;
    const followed = this.#topics.get(topic);
    if (!followed || !isLost(performance.now())) return;
    followed.isDue = true;
    const ended = await Promise.race([followed.ended.promise, sleep(NARROW_WITHIN_MS)]);
    if (!isLost(ended ?? performance.now())) return;
    if (ended !== undefined) verdicts.narrowings.push(ended - since);
    else if (this.#topics.get(topic) === followed) {
      verdicts.violate('not narrowed', `${topic} is followed ${NARROW_WITHIN_MS} ms after the acknowledgement`);
      this.#forget(topic);
    }
  }

  #send(frame: object, note: (ref: string, at: number) => void): void {
    if (!this.#socket || this.#socket.closed !== undefined) return;
    const ref = String(this.#refs++);
    note(ref, performance.now());
    this.#socket.send({ ...frame, ref });
  }

  #receive(frame: Frame): void {
    const now = performance.now();
    const { verdicts } = this.#judging;
    const { type, ref = '', topic = '' } = frame;
    const asked = this.#asked.get(ref);
    if (asked) this.#asked.delete(ref);
    if (type === 'pong') this.#sentAfter = this.#pings.get(ref) ?? this.#sentAfter;
    else if (type === 'job') this.#judge(frame, now);
    else if (type === 'subscribed' && asked) {
      verdicts.judge('follow a job', this.#may(asked.at, now), true, () => `${asked.topic} was granted`);
      this.#topics.set(asked.topic, { ended: Promise.withResolvers(), isDue: false });
      // It was asked for before the permission was taken away, and is answered after it.
      void this.#endOf(asked.topic, now);
      const [oldest = ''] = this.#topics.keys();
      if (this.#topics.size > TOPICS) this.#forget(oldest);
    } else if (type === 'error' && asked) {
      if (frame.code === 'JOB_NOT_FOUND')
        verdicts.judge('follow a job', this.#may(asked.at, now), false, () => `${asked.topic} was refused`);
      else verdicts.other(`frame ${frame.code}`);
    } else if (type === 'error' || (type === 'unsubscribed' && ref === '')) {
      for (const ended of frame.topics ?? [topic]) this.#end(ended);
    }
  }

  /** A frame was sent after what it tells of, and after the last ping that is answered: by what held since then. */
  #judge({ topic = '', job }: Frame, now: number): void {
    const { verdicts, wall } = this.#judging;
    const told = wall.earliest(Date.parse(job?.updatedAt ?? ''));
    const from = Math.min(now, Math.max(told, this.#sentAfter));
    const isOwn = topic === OWN_TOPIC;
    const permitted = isOwn ? this.alive.during(from, now) : this.#may(from, now);
    const what = isOwn ? 'frame of its own jobs' : "frame of others' jobs";
    verdicts.judge(
      what,
      permitted,
      true,
      () => `${job?.id}, sent in the last ${(now - from).toFixed(1)} ms`,
      'frame on an old permission',
    );
  }

  #may(from: number, to: number): Known {
    return all([this.alive.during(from, to), this.#judging.mayFollow(from, to)]);
  }

  #end(topic: string): void {
    const followed = this.#topics.get(topic);
    if (!followed) return;
    followed.ended.resolve(performance.now());
    if (!followed.isDue) this.#judging.verdicts.narrowings.push(0);
    this.#topics.delete(topic);
  }

  #forget(topic: string): void {
    this.#topics.delete(topic);
    this.#send({ type: 'unsubscribe', topics: [topic] }, () => undefined);
  }
}
