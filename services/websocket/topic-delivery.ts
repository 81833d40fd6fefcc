import { unavailable } from '#platform/errors.ts';
import type { SessionContext } from './admission.ts';
import type { Channel } from './channel.ts';
import { type Cursor, REGISTERED_SLACK_MS } from './domain.ts';
import type { ServerFrame } from './frames.ts';
import { type Identity, leftOf } from './identity.ts';
import { observePush, resumes } from './metrics.ts';
import type { TopicFrame } from './shared-topics.ts';
import { allowedOf, type Shared, type Things, visibleOf } from './things.ts';
import { type Follower, TopicFeeds } from './topic-feeds.ts';

/** What the delivery of topics shares with that of the client's own events. */
interface Shares {
  /** Of the client's present token. */
  identity(): Identity;
  /** How often it was asked again what the client may follow. */
  narrowings(): number;
  /** The client may not follow a topic any more. */
  revoke(topic: string): void;
  /** Waits until the member's allowance has paid for so much. @returns false when the socket closes */
  pay(amount: number): Promise<boolean>;
  /** What uses the events of the socket, one after the other; what can't be had now is tried again later. */
  inTurn(work: () => Promise<void>): Promise<void>;
}

/** What is said in the topics that a client follows together with others, from there to its channel. */
export class TopicDelivery {
  readonly #context: SessionContext;
  readonly #channel: Channel;
  readonly #shares: Shares;
  readonly #feeds: TopicFeeds;
  /** The topics that are about to be read. */
  readonly #reading = new Set<string>();

  constructor(context: SessionContext, channel: Channel, socketId: string, shares: Shares) {
    this.#context = context;
    this.#channel = channel;
    this.#shares = shares;
    const follower: Follower = {
      socketId,
      memberId: shares.identity().memberId,
      wake: (topic) => this.#read(topic),
      push: (frame, kind) => this.#push(frame, kind),
      reset: (topic) => channel.send({ type: 'reset', topic }),
      pay: () => shares.pay(1),
      look: (topic, thing) => this.#look(topic, thing),
      visible: (asked) => this.#ask(() => visibleOf(context.peers, shares.identity(), asked)),
    };
    this.#feeds = new TopicFeeds(context.hub.shared, follower);
  }

  get topics(): string[] {
    return this.#feeds.topics;
  }

  /** What they are about. */
  get things(): Things<Shared> {
    return this.#feeds.things;
  }

  has(topic: string): boolean {
    return this.#feeds.has(topic);
  }

  /** Up to where the client has had everything of a topic. */
  cursorOf(topic: string): Cursor {
    return this.#feeds.cursorOf(topic);
  }

  add(topic: string, thing: Shared): void {
    this.#feeds.add(topic, thing);
  }

  remove(topic: string): void {
    this.#feeds.remove(topic);
  }

  /** As {@link TopicFeeds.narrow}. */
  narrow(allowed: Things, isLatest: boolean): void {
    this.#feeds.narrow(allowed, isLatest);
  }

  /** Something may have been said. */
  wake(): void {
    for (const topic of this.topics) this.#read(topic);
  }

  end(): void {
    this.#feeds.end();
  }

  /** Begins those of these topics that were added, each from its cursor or now. A cursor that is too old is answered with `reset`. */
  async begin(topics: Iterable<string>, given: ReadonlyMap<string, Cursor>): Promise<void> {
    const forMs = leftOf(this.#shares.identity()) + REGISTERED_SLACK_MS;
    const added = [...topics].filter((topic) => this.has(topic));
    const outcomes = await Promise.all(added.map((topic) => this.#feeds.begin(topic, given.get(topic), forMs)));
    const reset = added.filter((_, index) => outcomes[index] === 'reset');
    await this.#shares.pay(reset.length);
    for (const topic of reset) await this.#channel.send({ type: 'reset', topic });
    for (const outcome of outcomes) if (outcome !== 'new') resumes.inc({ outcome });
  }

  #read(topic: string): void {
    if (this.#reading.has(topic)) return;
    this.#reading.add(topic);
    this.#shares
      .inTurn(async () => {
        this.#reading.delete(topic);
        if (await this.#feeds.pump(topic)) this.#read(topic);
      })
      .catch((error: unknown) => this.#channel.fail(error));
  }

  async #push({ type, bytes, time }: TopicFrame, kind: 'new' | 'missed'): Promise<void> {
    await this.#channel.sendText(type as ServerFrame['type'], bytes);
    if (kind === 'new') observePush(time);
  }

  /** Asks Auth until nothing was narrowed meanwhile, and not for many sockets at once. */
  async #ask<T>(question: () => Promise<T>): Promise<T> {
    for (;;) {
      const narrowings = this.#shares.narrowings();
      const answer = await this.#context.hub.shared.asking.take(question, { signal: this.#channel.ending });
      if (narrowings === this.#shares.narrowings()) return answer;
    }
  }

  /** Asks what the client may see of what it follows; of what it may see nothing, ends. @throws UNAVAILABLE where nobody can say */
  async #look(topic: string, thing: Shared): Promise<Shared | undefined> {
    const asked = new Map([[topic, thing]]);
    const allowed = await this.#ask(() => allowedOf(this.#context.peers, this.#shares.identity(), asked));
    const now = allowed.get(topic);
    if (now?.away) throw unavailable('SERVICE_UNAVAILABLE', 'nobody says who is in the room', { cause: now.away });
    if (!now) this.#shares.revoke(topic);
    return now;
  }
}
