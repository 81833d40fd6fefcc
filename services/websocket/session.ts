import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { MusubiError } from '#platform/errors.ts';
import { contextFrom, SpanKind, withSpan } from '#platform/telemetry.ts';
import { type Admission, admit, Refused, type SessionContext, SLACK_MS } from './admission.ts';
import { Channel } from './channel.ts';
import { CLOSE, type CloseCode, type Cursor, OWN_TOPIC } from './domain.ts';
import { Feed } from './feed.ts';
import { type ClientFrame, parseClientFrame } from './frames.ts';
import type { Connected } from './hub.ts';
import { closeCodeOf, type Identity, identify, leftOf, mayReadJob } from './identity.ts';
import { Inbox } from './inbox.ts';
import { pushSeconds, resumes } from './metrics.ts';
import type { Entry } from './store.ts';
import { decideOn, remember } from './subscriptions.ts';
import { Timers } from './timers.ts';

type Subscribe = Extract<ClientFrame, { type: 'subscribe' }>;

/** How long a session waits before it tries again to deliver what it could not. */
const RETRY_MS = 500;

/**
 * One client's socket. Its frames are handled one after the other, and its events sent one after the other, but
 * neither waits for the other: only where a `subscribe` says from where on events come, they take turns.
 */
export class Session implements Connected {
  readonly #context: SessionContext;
  readonly #channel: Channel;
  readonly #timers = new Timers();
  readonly gone: Promise<void>;
  #feeding: Promise<void> = Promise.resolve();
  #admitted: (Admission & { feed: Feed }) | undefined;
  /** Events wait until the client has said where it wants to begin, or nothing for a moment. */
  #settled = false;
  /**
   * Whether the client has subscribed, and so said where it begins. Before that no frame carries a cursor: kept in
   * place of the one that the client came with, it would skip what was missed between the two.
   */
  #subscribed = false;
  #pumping = false;

  /**
   * @param socket that `ws` is on
   * @param outcome of the token that the client came with; without one it must send it in its first frame
   */
  constructor(ws: WebSocket, socket: Duplex, context: SessionContext, outcome?: Admission | Refused) {
    const { limits } = context;
    this.#context = context;
    this.#channel = new Channel(ws, socket, limits);
    const inbox = new Inbox(this.#channel, limits, (text) => this.#handle(text).catch((error: unknown) => this.#fail(error)));
    ws.on('message', (data, binary) => {
      if (binary) this.close(CLOSE.unsupported, 'frames must be text');
      else inbox.receive(String(data));
    });
    for (const control of ['ping', 'pong']) ws.on(control, () => inbox.count());
    ws.on('error', (error) => context.log.debug({ reason: error.message }, 'a socket failed'));
    this.gone = this.#channel.closed.then(() => this.#forget());
    if (outcome && !(outcome instanceof Refused)) this.#enter(outcome);
    else this.#arrive(outcome);
    this.#timers.every('probe', limits.pingMs, () => {
      this.#channel.probe();
      this.recheck();
    });
  }

  get memberId(): string {
    return this.#admitted?.identity.memberId ?? '';
  }

  close(code: CloseCode, reason: string): void {
    this.#channel.close(code, reason);
  }

  cut(code: CloseCode, reason: string): void {
    this.#channel.cut(code, reason);
  }

  wake(): void {
    if (!this.#settled || this.#pumping) return;
    this.#pumping = true;
    void this.#inTurn(async () => {
      this.#pumping = false;
      try {
        if (await this.#admitted?.feed.pump()) this.wake();
      } catch (error) {
        if (!(error instanceof MusubiError && error.retryable)) throw error;
        this.#timers.after('retry', RETRY_MS, () => this.wake());
      }
    });
  }

  recheck(): void {
    // Not behind the frames that wait: their client may be the one to keep out.
    this.#check().catch((error: unknown) => this.#fail(error));
  }

  async register(): Promise<void> {
    if (!this.#admitted || this.#channel.closing) return;
    const { store, hub } = this.#context;
    const { socketId, identity, feed } = this.#admitted;
    await store.register(identity.memberId, socketId, hub.instance, leftOf(identity) + SLACK_MS, Number.MAX_SAFE_INTEGER);
    await remember(feed, identity, this.#context);
  }

  /** A client that has not said who it is, or was refused. */
  #arrive(refused: Refused | undefined): void {
    const { hub, limits } = this.#context;
    hub.arrive(this, limits.unauthenticatedSockets);
    // Browsers don't show the status of a refused upgrade to a page, but they do show a close code.
    if (refused) this.close(refused.code, refused.message);
    else this.#timers.after('authenticate', limits.authMs, () => this.close(CLOSE.unauthenticated, 'no token came'));
  }

  #enter(admission: Admission): void {
    const { store, hub, limits } = this.#context;
    const feed = new Feed(store, admission.identity.memberId, admission.now, (entry, topic, kind) =>
      this.#push(entry, topic, kind === 'new'),
    );
    this.#admitted = { ...admission, feed };
    this.#timers.stop('authenticate');
    this.#channel.welcome();
    this.#expireWith(admission.identity);
    hub.add(this);
    if (hub.stopping) this.close(CLOSE.goingAway, 'the server stops');
    this.#timers.after('settle', limits.settleMs, () => this.#settle());
  }

  #settle(): void {
    this.#settled = true;
    this.wake();
  }

  async #handle(text: string): Promise<void> {
    const parsed = parseClientFrame(text);
    const frame = 'frame' in parsed ? parsed.frame : undefined;
    if (!this.#admitted) {
      if (frame?.type !== 'auth') return this.close(CLOSE.unauthenticated, 'the first frame must be auth');
      // How long it may take to find out who that is, Auth's and the store's own deadlines say.
      this.#timers.stop('authenticate');
      return this.#authenticate(frame.token);
    }
    if ('bad' in parsed) return this.#channel.send({ type: 'error', ...parsed.bad });
    switch (parsed.frame.type) {
      case 'auth':
        return this.#renew(parsed.frame);
      case 'subscribe':
        return this.#subscribe(parsed.frame);
      case 'unsubscribe':
        return this.#unsubscribe(parsed.frame);
      case 'ping':
        return this.#channel.send({ type: 'pong', ref: parsed.frame.ref });
    }
  }

  async #authenticate(token: string): Promise<void> {
    try {
      const admission = await admit(this.#context, token);
      if (!this.#channel.closing) return this.#enter(admission);
      await this.#context.store.unregister(admission.identity.memberId, admission.socketId);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.close(error.code, error.message);
    }
  }

  /** A fresh token before the present one expires: the same member's. */
  async #renew({ token, ref }: Extract<ClientFrame, { type: 'auth' }>): Promise<void> {
    if (!this.#admitted) return;
    try {
      const identity = await identify(this.#context.peers, token);
      if (identity.memberId !== this.memberId) return this.close(CLOSE.unauthenticated, "the token is another member's");
      this.#admitted.identity = identity;
      this.#expireWith(identity);
      await this.register();
    } catch (error) {
      await this.#refuseOrClose(error, ref);
    }
  }

  /** Whether the session behind the token is still good. */
  async #check(): Promise<void> {
    const identity = this.#admitted?.identity;
    if (!identity || this.#channel.closing) return;
    const refusal = await identify(this.#context.peers, identity.token).then(
      () => undefined,
      (error: unknown) => error,
    );
    // A fresh token came meanwhile, perhaps of another session.
    if (this.#admitted?.identity !== identity) return this.#check();
    if (!refusal) return;
    if (!(refusal instanceof MusubiError)) throw refusal;
    // That Auth is away says nothing about the client.
    if (!refusal.retryable) this.close(closeCodeOf(refusal), refusal.message.slice(0, 120));
  }

  async #refuseOrClose(error: unknown, ref: string | undefined): Promise<void> {
    if (!(error instanceof MusubiError)) throw error;
    if (error.retryable) await this.#channel.send({ type: 'error', ref, code: error.code, message: error.message });
    else this.close(closeCodeOf(error), error.message.slice(0, 120));
  }

  async #subscribe({ topics, ref, cursor, cursors = {} }: Subscribe): Promise<void> {
    if (!this.#admitted) return;
    const { feed, identity } = this.#admitted;
    const given = new Map(Object.entries(cursor === undefined ? cursors : { ...cursors, [OWN_TOPIC]: cursor }));
    // What was missed comes before what is new.
    if (given.size > 0 && !this.#subscribed) this.#timers.stop('settle');
    const decisions = await decideOn(topics, feed.topics, identity, this.#context, this.#channel.ending);
    if (this.#channel.closing) return;
    const accepted: string[] = [];
    for (const [topic, refusal] of decisions) {
      if (refusal) await this.#channel.send({ type: 'error', ref, topic, ...refusal });
      else accepted.push(topic);
    }
    await this.#inTurn(() => this.#begin(feed, accepted, given, ref));
  }

  async #unsubscribe({ topics, ref }: Extract<ClientFrame, { type: 'unsubscribe' }>): Promise<void> {
    const ended = [...new Set(topics)].filter((topic) => topic !== OWN_TOPIC);
    for (const topic of ended) this.#admitted?.feed.remove(topic);
    await this.#channel.send({ type: 'unsubscribed', topics: ended, ref });
  }

  /** Events of these topics come from their cursors on, or from now on. */
  async #begin(feed: Feed, topics: string[], given: ReadonlyMap<string, Cursor>, ref: string | undefined): Promise<void> {
    for (const topic of topics) feed.add(topic);
    try {
      const resumed = await this.#resumable(feed, given);
      // Its last socket may have been told of what came after this one was opened.
      if (!this.#subscribed) feed.startAfter(resumed);
      this.#subscribed = true;
      // The cursors of `subscribed` come before what follows it: safe to come back with, whenever the socket drops.
      const from = (topic: string): Cursor => resumed.get(topic) ?? feed.cursorOf(topic);
      const cursors = Object.fromEntries([OWN_TOPIC, ...topics].map((topic) => [topic, from(topic)]));
      await this.#channel.send({ type: 'subscribed', topics, cursors, cursor: from(OWN_TOPIC), ref });
      await feed.replay(resumed);
    } catch (error) {
      if (!(error instanceof MusubiError && error.retryable)) throw error;
      // What was missed can't be had now; the client comes back and asks again.
      return this.close(CLOSE.tryAgainLater, 'the store is away');
    }
    this.#timers.stop('settle');
    this.#settle();
  }

  /**
   * Where each topic begins of those that have a cursor. Of the others those have that of the member's own events
   * among which they are. What cannot be resumed begins now, and its client is told.
   */
  async #resumable(feed: Feed, given: ReadonlyMap<string, Cursor>): Promise<Map<string, Cursor>> {
    const resumed = new Map<string, Cursor>();
    const found = new Map<Cursor, boolean>();
    for (const topic of [OWN_TOPIC, ...feed.topics]) {
      const cursor = given.get(topic) ?? given.get(OWN_TOPIC);
      if (cursor === undefined) continue;
      const resumable = found.get(cursor) ?? (await feed.resumable(cursor));
      found.set(cursor, resumable);
      if (resumable) resumed.set(topic, cursor);
      else await this.#channel.send({ type: 'reset', topic });
    }
    if (found.size > 0) resumes.inc({ outcome: [...found.values()].every(Boolean) ? 'resumed' : 'reset' });
    return resumed;
  }

  async #push(entry: Entry, topic: string, isNew: boolean): Promise<void> {
    if (!this.#admitted || this.#channel.closing) return;
    const { identity, feed } = this.#admitted;
    if (entry.memberId !== identity.memberId) {
      try {
        await mayReadJob(this.#context.peers, identity, entry.jobId, entry.memberId);
      } catch (error) {
        if (!(error instanceof MusubiError) || error.retryable) throw error;
        feed.remove(topic);
        return this.#channel.send({ type: 'error', topic, code: error.code, message: error.message });
      }
      // It was unsubscribed from meanwhile.
      if (!feed.has(topic)) return;
    }
    const attributes = { 'musubi.job.id': entry.jobId };
    const cursor = this.#subscribed ? `"cursor":"${entry.cursor}",` : '';
    await withSpan('push to socket', { kind: SpanKind.PRODUCER, parent: contextFrom(entry.traceparent), attributes }, () =>
      // The job is JSON already.
      this.#channel.sendText('job', `{"type":"job","topic":"${topic}",${cursor}"job":${entry.job}}`),
    );
    if (isNew) pushSeconds.observe(Math.max(0, Date.now() - entry.time) / 1_000);
  }

  /** What uses the feed, one after the other. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#feeding = this.#feeding.then(async () => {
      if (this.#channel.closing) return;
      try {
        await work();
      } catch (error) {
        this.#fail(error);
      }
    });
    return this.#feeding;
  }

  #fail(error: unknown): void {
    this.#context.log.error({ err: error }, 'a socket failed on a defect');
    this.close(CLOSE.defect, 'the server failed');
  }

  async #forget(): Promise<void> {
    this.#timers.end();
    this.#context.hub.remove(this);
    if (!this.#admitted) return;
    await this.#context.store.unregister(this.memberId, this.#admitted.socketId).catch((error: Error) => {
      this.#context.log.debug({ reason: error.message }, 'a closed socket stays registered until its token expires');
    });
  }

  #expireWith(identity: Identity): void {
    this.#timers.after('expire', leftOf(identity), () => this.close(CLOSE.unauthenticated, 'the token has expired'));
  }
}
