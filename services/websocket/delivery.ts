import { MusubiError } from '#platform/errors.ts';
import { contextFrom, SpanKind, withSpan } from '#platform/process/telemetry.ts';
import type { Admission, SessionContext } from './admission.ts';
import type { Channel } from './channel.ts';
import { CLOSE, type Cursor, OWN_TOPIC } from './domain.ts';
import { Feed } from './feed.ts';
import type { ClientFrame } from './frames.ts';
import { type Identity, mayReadJob } from './identity.ts';
import { pushSeconds, resumes } from './metrics.ts';
import type { Entry } from './store.ts';
import { decideOn, remember } from './subscriptions.ts';
import { Timers } from './timers.ts';

/** How long it takes until it is tried again to deliver what could not be. */
const RETRY_MS = 500;

/**
 * The events of one client, from the store to its channel. They are sent one after the other, and do not wait for the
 * client's frames, nor these for them: only where a `subscribe` says from where on events come, they take turns.
 */
export class Delivery {
  /** Of the client's present token. */
  identity: Identity;
  readonly #context: SessionContext;
  readonly #channel: Channel;
  readonly #feed: Feed;
  readonly #timers = new Timers((error) => this.#channel.fail(error));
  #feeding: Promise<void> = Promise.resolve();
  /** Events wait until the client has said where it wants to begin, or nothing for a moment. */
  #settled = false;
  /**
   * Whether the client has subscribed, and so said where it begins. Before that no frame carries a cursor: kept in
   * place of the one that the client came with, it would skip what was missed between the two.
   */
  #subscribed = false;
  #pumping = false;

  constructor(context: SessionContext, channel: Channel, { socketId, identity, now }: Admission) {
    this.identity = identity;
    this.#context = context;
    this.#channel = channel;
    this.#feed = new Feed(context.store, { memberId: identity.memberId, socketId }, now, (entry, topic, kind) =>
      this.#push(entry, topic, kind === 'new'),
    );
    this.#timers.after('settle', context.limits.settleMs, () => this.#settle());
  }

  /** The member's events may have grown. */
  wake(): void {
    if (!this.#settled || this.#pumping) return;
    this.#pumping = true;
    this.#inTurn(async () => {
      this.#pumping = false;
      try {
        if (await this.#feed.pump()) this.wake();
      } catch (error) {
        if (!(error instanceof MusubiError && error.retryable)) throw error;
        this.#timers.after('retry', RETRY_MS, () => this.wake());
      }
    }).catch((error: unknown) => this.#channel.fail(error));
  }

  /** Keeps the events of its topics coming to the member. */
  remember(): Promise<void> {
    return remember(this.#feed, this.identity, this.#context);
  }

  /**
   * Waits until the member's allowance has paid for a new token, which is written down with each topic of another's job.
   *
   * @returns false when the socket closes
   */
  payForRenewal(): Promise<boolean> {
    return this.#pay(1 + this.#feed.others.length);
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#timers.end();
  }

  async subscribe({ topics, ref, cursor, cursors = {} }: Extract<ClientFrame, { type: 'subscribe' }>): Promise<void> {
    const given = new Map(Object.entries(cursor === undefined ? cursors : { ...cursors, [OWN_TOPIC]: cursor }));
    // What was missed comes before what is new.
    if (given.size > 0 && !this.#subscribed) this.#timers.stop('settle');
    const decisions = await decideOn(topics, this.#feed.topics, this.identity, this.#context, this.#channel.ending);
    if (this.#channel.closing) return;
    const accepted = new Map<string, boolean>();
    for (const [topic, decision] of decisions) {
      if ('refusal' in decision) await this.#channel.send({ type: 'error', ref, topic, ...decision.refusal });
      else accepted.set(topic, decision.isOthers);
    }
    await this.#inTurn(() => this.#begin(accepted, given, ref));
  }

  async unsubscribe({ topics, ref }: Extract<ClientFrame, { type: 'unsubscribe' }>): Promise<void> {
    const ended = [...new Set(topics)].filter((topic) => topic !== OWN_TOPIC);
    for (const topic of ended) this.#feed.remove(topic);
    await this.#channel.send({ type: 'unsubscribed', topics: ended, ref });
  }

  /** Events of these topics (each with whether it is of another member's job) come from their cursors on, or from now on. */
  async #begin(
    accepted: ReadonlyMap<string, boolean>,
    given: ReadonlyMap<string, Cursor>,
    ref: string | undefined,
  ): Promise<void> {
    for (const [topic, isOthers] of accepted) this.#feed.add(topic, isOthers);
    const topics = [...accepted.keys()];
    try {
      const resumed = await this.#resumable(given);
      // Another socket of the member may have sent what this one has not sent yet.
      this.#feed.startAfter(resumed);
      this.#subscribed = true;
      // The cursors of `subscribed` come before what follows it: safe to come back with, whenever the socket drops.
      const from = (topic: string): Cursor => resumed.get(topic) ?? this.#feed.cursorOf(topic);
      const cursors = Object.fromEntries([OWN_TOPIC, ...topics].map((topic) => [topic, from(topic)]));
      await this.#channel.send({ type: 'subscribed', topics, cursors, cursor: from(OWN_TOPIC), ref });
      await this.#feed.replay(resumed, () => this.#pay(1));
    } catch (error) {
      if (!(error instanceof MusubiError && error.retryable)) throw error;
      // What was missed can't be had now; the client comes back and asks again.
      return this.#channel.close(CLOSE.tryAgainLater, 'the store is away');
    }
    this.#timers.stop('settle');
    this.#settle();
  }

  /**
   * Finds for each topic whether its cursor can be resumed. A topic without a cursor uses the one of the member's own
   * events. A cursor that is too old is answered with `reset`, and its topic begins now.
   */
  async #resumable(given: ReadonlyMap<string, Cursor>): Promise<Map<string, Cursor>> {
    const resumed = new Map<string, Cursor>();
    if (given.size === 0) return resumed;
    const isResumable = await this.#feed.resumable();
    const reset: string[] = [];
    for (const topic of [OWN_TOPIC, ...this.#feed.topics]) {
      const cursor = given.get(topic) ?? given.get(OWN_TOPIC);
      if (cursor === undefined) continue;
      if (isResumable(cursor)) resumed.set(topic, cursor);
      else reset.push(topic);
    }
    await this.#pay(reset.length);
    for (const topic of reset) await this.#channel.send({ type: 'reset', topic });
    if (resumed.size + reset.length > 0) resumes.inc({ outcome: reset.length === 0 ? 'resumed' : 'reset' });
    return resumed;
  }

  /** Waits until the member's allowance of topics has paid for so much. @returns false when the socket closes */
  async #pay(amount: number): Promise<boolean> {
    const { hub, limits } = this.#context;
    await hub.topicsOf(this.identity.memberId, limits).pay(amount, this.#channel.ending);
    return !this.#channel.closing;
  }

  async #push(entry: Entry, topic: string, isNew: boolean): Promise<void> {
    if (this.#channel.closing) return;
    if (entry.memberId !== this.identity.memberId) {
      try {
        await mayReadJob(this.#context.peers, this.identity, entry.jobId, entry.memberId);
      } catch (error) {
        if (!(error instanceof MusubiError) || error.retryable) throw error;
        this.#feed.remove(topic);
        return this.#channel.send({ type: 'error', topic, ...error.told });
      }
      // It was unsubscribed from meanwhile.
      if (!this.#feed.has(topic)) return;
    }
    const attributes = { 'musubi.job.id': entry.jobId };
    const cursor = this.#subscribed ? `"cursor":"${entry.cursor}",` : '';
    await withSpan('push to socket', { kind: SpanKind.PRODUCER, parent: contextFrom(entry.traceparent), attributes }, () =>
      // The job is JSON already.
      this.#channel.sendText('job', `{"type":"job","topic":"${topic}",${cursor}"job":${entry.job}}`),
    );
    if (isNew) pushSeconds.observe(Math.max(0, Date.now() - entry.time) / 1_000);
  }

  #settle(): void {
    this.#settled = true;
    this.wake();
  }

  /** What uses the feed, one after the other. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#feeding = this.#feeding.then(async () => {
      if (this.#channel.closing) return;
      try {
        await work();
      } catch (error) {
        this.#channel.fail(error);
      }
    });
    return this.#feeding;
  }
}
