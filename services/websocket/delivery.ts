import { MusubiError } from '#platform/errors.ts';
import type { Admission, SessionContext } from './admission.ts';
import type { Channel } from './channel.ts';
import { type Cursor, isShared, OWN_TOPIC } from './domain.ts';
import { Feed } from './feed.ts';
import type { ClientFrame } from './frames.ts';
import { closingFor, type Identity } from './identity.ts';
import { resumes } from './metrics.ts';
import { pushEvent } from './own-events.ts';
import { decideOn, noteSight, remember } from './subscriptions.ts';
import { allowedOf, type Thing, thingNotFound } from './things.ts';
import { Timers } from './timers.ts';
import { TopicDelivery } from './topic-delivery.ts';

/** How long it takes until it is tried again to deliver what could not be. */
const RETRY_MS = 500;

const REVOKED = 'The member may not follow this any more.';

/** What is not the member's own. */
const thingsIn = (topics: ReadonlyMap<string, Thing | undefined>): Map<string, Thing> =>
  new Map([...topics].flatMap(([topic, thing]) => (thing ? [[topic, thing] as const] : [])));

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
  readonly #shared: TopicDelivery;
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
  /** How often it was asked again what the client may follow: nothing begins to be followed by an answer of before. */
  #narrowings = 0;

  constructor(context: SessionContext, channel: Channel, { socketId, identity, now }: Admission) {
    this.identity = identity;
    this.#context = context;
    this.#channel = channel;
    const shares = {
      ...{ peers: context.peers, channel, identity: () => this.identity, hasBegun: () => this.#subscribed },
      ...{ has: (topic: string) => this.#feed.has(topic), revoke: (topic: string) => this.#revoke([topic]) },
    };
    this.#feed = new Feed(context.store, { memberId: identity.memberId, socketId }, now, (entry, topic, kind) =>
      pushEvent(entry, topic, kind === 'new', shares),
    );
    this.#shared = new TopicDelivery(context, channel, socketId, {
      identity: () => this.identity,
      narrowings: () => this.#narrowings,
      revoke: (topic) => this.#revoke([topic]),
      pay: (amount) => this.#pay(amount),
      inTurn: (work) => this.#inTurn(() => this.#orLater(work)),
    });
    this.#timers.after('settle', context.limits.settleMs, () => this.#settle());
  }

  /** The member's events, or those of its topics, may have grown. */
  wake(): void {
    this.#wakeOwn();
    this.#shared.wake();
  }

  #wakeOwn(): void {
    if (!this.#settled || this.#pumping) return;
    this.#pumping = true;
    this.#inTurn(async () => {
      this.#pumping = false;
      await this.#orLater(async () => {
        if (await this.#feed.pump()) this.#wakeOwn();
      });
    }).catch((error: unknown) => this.#channel.fail(error));
  }

  async #orLater(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof MusubiError)) throw error;
      if (error.retryable) this.#timers.after('retry', RETRY_MS, () => this.wake());
      // The session has ended meanwhile.
      else this.#channel.close(closingFor(error));
    }
  }

  /** Keeps the events of its topics coming to the member. */
  remember(): Promise<void> {
    return remember(this.#feed.others, this.#shared.things, this.identity, this.#context);
  }

  /**
   * Waits until the member's allowance has paid for a new token, which is written down with each topic of another's job, of a group, and of a room.
   *
   * @returns false when the socket closes
   */
  payForRenewal(): Promise<boolean> {
    return this.#pay(1 + this.#feed.others.size + this.#shared.topics.length);
  }

  /** Nothing is sent any more. */
  end(): void {
    this.#timers.end();
    this.#shared.end();
  }

  /**
   * Asks Auth again about all that the client follows of others, and ends what it may not. It waits for nothing that is being sent.
   *
   * @param closings the last one before Auth was asked
   * @throws as `auth.Check`
   */
  async narrow(identity: Identity, closings: number): Promise<void> {
    const number = ++this.#narrowings;
    const things = new Map<string, Thing>([...this.#feed.others, ...this.#shared.things]);
    const allowed = await allowedOf(this.#context.peers, identity, things);
    this.#shared.narrow(allowed, number === this.#narrowings);
    this.#revoke([...things.keys()].filter((topic) => !allowed.has(topic)));
    await noteSight(allowed, identity, this.#context, { closings, goesOn: true });
  }

  #has(topic: string): boolean {
    return this.#feed.has(topic) || this.#shared.has(topic);
  }

  #remove(topic: string): void {
    this.#feed.remove(topic);
    this.#shared.remove(topic);
  }

  /** Ends those of these topics that the client still follows. */
  #revoke(revoked: readonly string[]): void {
    const topics = revoked.filter((topic) => this.#has(topic));
    if (topics.length === 0) return;
    for (const topic of topics) this.#remove(topic);
    // Whoever asked does not wait for the client to read it.
    this.#channel
      .send({ type: 'unsubscribed', topics, code: 'PERMISSION_REVOKED', message: REVOKED })
      .catch((error: unknown) => this.#channel.fail(error));
  }

  async subscribe({ topics, ref, cursor, cursors = {} }: Extract<ClientFrame, { type: 'subscribe' }>): Promise<void> {
    const given = new Map(Object.entries(cursor === undefined ? cursors : { ...cursors, [OWN_TOPIC]: cursor }));
    // What was missed comes before what is new.
    if (given.size > 0 && !this.#subscribed) this.#timers.stop('settle');
    const narrowings = this.#narrowings;
    const held = [...this.#feed.topics, ...this.#shared.topics];
    const decisions = await decideOn(topics, held, this.identity, this.#context, this.#channel.ending);
    if (this.#channel.closing) return;
    const accepted = new Map<string, Thing | undefined>();
    for (const [topic, decision] of decisions) {
      if ('refusal' in decision) await this.#channel.send({ type: 'error', ref, topic, ...decision.refusal });
      else accepted.set(topic, decision.thing);
    }
    await this.#inTurn(() => this.#begin(accepted, narrowings, given, ref));
  }

  async unsubscribe({ topics, ref }: Extract<ClientFrame, { type: 'unsubscribe' }>): Promise<void> {
    const ended = [...new Set(topics)].filter((topic) => topic !== OWN_TOPIC);
    for (const topic of ended) this.#remove(topic);
    await this.#channel.send({ type: 'unsubscribed', topics: ended, ref });
  }

  /**
   * Events of these topics (each with what it is about, if that is not the member's own) come from their cursors on, or from now on.
   *
   * @param narrowings how many there had been before Auth was asked about them
   */
  async #begin(
    accepted: Map<string, Thing | undefined>,
    narrowings: number,
    given: ReadonlyMap<string, Cursor>,
    ref: string | undefined,
  ): Promise<void> {
    try {
      for (let asked = narrowings; asked !== this.#narrowings; ) {
        asked = this.#narrowings;
        const things = thingsIn(accepted);
        const allowed = await allowedOf(this.#context.peers, this.identity, things);
        for (const [topic, thing] of things) {
          const now = allowed.get(topic);
          if (now) accepted.set(topic, now);
          else accepted.delete(topic);
          if (!now) await this.#channel.send({ type: 'error', ref, topic, ...thingNotFound(thing).told });
        }
      }
      if (this.#channel.closing) return;
      for (const [topic, thing] of accepted) {
        if (thing && 'sight' in thing) this.#shared.add(topic, thing);
        else if (!isShared(topic)) this.#feed.add(topic, thing);
      }
      await this.#shared.begin(accepted.keys(), given);
      const resumed = await this.#resumable(given);
      const topics = [...accepted.keys()].filter((topic) => this.#has(topic));
      // Another socket of the member may have sent what this one has not sent yet.
      this.#feed.startAfter(resumed);
      this.#subscribed = true;
      // The cursors of `subscribed` come before what follows it: safe to come back with, whenever the socket drops.
      const from = (topic: string): Cursor =>
        this.#shared.has(topic) ? this.#shared.cursorOf(topic) : (resumed.get(topic) ?? this.#feed.cursorOf(topic));
      const cursors = Object.fromEntries([OWN_TOPIC, ...topics].map((topic) => [topic, from(topic)]));
      await this.#channel.send({ type: 'subscribed', topics, cursors, cursor: from(OWN_TOPIC), ref });
      this.#shared.wake();
      await this.#feed.replay(resumed, () => this.#pay(1));
    } catch (error) {
      if (!(error instanceof MusubiError)) throw error;
      // What was missed can't be had now; the client comes back and asks again.
      return this.#channel.close(closingFor(error));
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
