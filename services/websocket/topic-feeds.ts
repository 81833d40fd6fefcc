import { unavailable } from '#platform/errors.ts';
import { ANSWER_HOLDS_MS, type Cursor, compareCursors, laterCursor } from './domain.ts';
import { CHUNK, type Chunk, type SharedTopics, type TopicFrame } from './shared-topics.ts';
import { type Asked, bothOf, isWider, type Shared, type Things } from './things.ts';

/** What one socket's topics need of it. */
export interface Follower {
  readonly socketId: string;
  readonly memberId: string;
  /** Something was said in a topic. */
  wake(topic: string): void;
  /** Sends it to the client; resolves when there is room for more. */
  push(frame: TopicFrame, kind: 'new' | 'missed'): Promise<void>;
  /** What the client has missed of a topic is gone for good. */
  reset(topic: string): Promise<void>;
  /** Waits until the member's allowance has paid for a read of what was missed. @returns false when the socket closes */
  pay(): Promise<boolean>;
  /**
   * Asks what the client may see of what it follows; undefined: nothing any more.
   * @throws as `auth.Authenticate`, and UNAVAILABLE where nobody can say
   */
  look(topic: string, thing: Shared): Promise<Shared | undefined>;
  /** Asks Auth of each of these whether the client may see it. */
  visible(asked: readonly Asked[]): Promise<readonly boolean[]>;
}

interface Followed {
  thing: Shared;
  wake: () => void;
  /** Up to where the client has had everything; undefined: it has not begun. */
  position: Cursor | undefined;
  /** Where "now" was when it began. */
  since: Cursor;
  /** When Auth was asked last what the client may see of it, in milliseconds of `performance.now()`. */
  asked: number;
  /** The groups and members about which Auth was asked then, and those that the client may see, by {@link subjectOf}. */
  known: { of: ReadonlySet<string>; visible: ReadonlySet<string> };
}

const NOTHING_KNOWN = { of: new Set<string>(), visible: new Set<string>() };

/** The same with what is said of it now: what the client hears by more than it had, it hears from now on. */
function seenAnew({ thing, position }: Followed, now: Pick<Shared, 'sight' | 'away'>): Shared {
  const { away: _, ...known } = thing;
  const { from } = known;
  const since = isWider(now.sight, known.sight) && from && position ? laterCursor(from, position) : from;
  return { ...known, sight: now.sight, ...(since ? { from: since } : {}), ...(now.away ? { away: now.away } : {}) };
}

/**
 * What is said in the topics that one socket follows together with others, in order per topic and each once. The stream decides, as for
 * its own events (feed.ts); what may be handed over, the socket's registration says, and Auth, which is asked again when that is narrowed.
 *
 * `begin` and `pump` must not run at the same time. `remove` and `narrow` may come in between: they hold from the next frame on.
 */
export class TopicFeeds {
  readonly #shared: SharedTopics;
  readonly #follower: Follower;
  readonly #followed = new Map<string, Followed>();

  constructor(shared: SharedTopics, follower: Follower) {
    this.#shared = shared;
    this.#follower = follower;
  }

  get topics(): string[] {
    return [...this.#followed.keys()];
  }

  get things(): Things<Shared> {
    return new Map([...this.#followed].map(([topic, { thing }]) => [topic, thing]));
  }

  has(topic: string): boolean {
    return this.#followed.has(topic);
  }

  cursorOf(topic: string): Cursor {
    return this.#followed.get(topic)?.position ?? '0-0';
  }

  /** What is followed from now on is asked about when it is narrowed. */
  add(topic: string, thing: Shared): void {
    if (this.has(topic)) return;
    const wake = (): void => this.#follower.wake(topic);
    this.#followed.set(topic, {
      thing,
      wake,
      position: undefined,
      since: '0-0',
      asked: Number.NEGATIVE_INFINITY,
      known: NOTHING_KNOWN,
    });
    this.#shared.join(topic, wake);
  }

  remove(topic: string): void {
    const one = this.#followed.get(topic);
    if (!one) return;
    this.#followed.delete(topic);
    this.#shared.leave(topic, one.wake);
  }

  end(): void {
    for (const topic of this.topics) this.remove(topic);
  }

  /**
   * What the client may see of its topics, by an answer of Auth.
   *
   * @param isLatest an answer of before takes away, but gives nothing
   */
  narrow(allowed: Things, isLatest: boolean): void {
    for (const [topic, one] of this.#followed) {
      const now = allowed.get(topic);
      if (!now || !('sight' in now)) continue;
      const { sight, away } = one.thing;
      const older = isLatest ? {} : { sight: bothOf(now.sight, sight), ...(away ? { away } : {}) };
      one.thing = seenAnew(one, { ...now, ...older });
      one.known = NOTHING_KNOWN;
    }
  }

  /**
   * Has what is said in a topic come: from a cursor on, or from now on.
   *
   * @param forMs for how long at least
   * @returns what became of the cursor
   */
  async begin(topic: string, cursor: Cursor | undefined, forMs: number): Promise<'new' | 'resumed' | 'reset'> {
    const one = this.#followed.get(topic);
    if (!one) return 'new';
    if (one.position === undefined) {
      const now = await this.#shared.takeUp(topic, forMs);
      one.position = one.since = now;
    }
    if (cursor === undefined) return 'new';
    const { from } = one.thing;
    // It may be made up, or another's: nothing is told of what was said before the member could hear as much as now.
    if (from === undefined || compareCursors(cursor, from) < 0) return 'reset';
    const isResumable = await this.#shared.resumable(topic);
    if (!isResumable(cursor)) return 'reset';
    if (compareCursors(one.since, one.position) < 0) one.since = one.position;
    one.position = cursor;
    return 'resumed';
  }

  /** Hands over what comes next in a topic. @returns true when there may be more */
  async pump(topic: string): Promise<boolean> {
    const one = this.#followed.get(topic);
    if (one?.position === undefined) return false;
    if (one.thing.away && !(await this.#look(topic, one))) return false;
    const isBehind = compareCursors(one.position, one.since) < 0;
    if (isBehind && !(await this.#follower.pay())) return false;
    const chunk = await this.#shared.read(topic, one.position);
    if (chunk.cutOff.has(this.#follower.socketId)) throw unavailable('STORE_UNAVAILABLE', 'the socket is not registered');
    if (chunk.lost) {
      one.position = one.since = chunk.lost;
      await this.#follower.reset(topic);
      return true;
    }
    // What Auth said of groups and members before they came to be what is told now, is no answer.
    one.known = NOTHING_KNOWN;
    for (const [index, frame] of chunk.frames.entries()) {
      if (!(await this.#prepare(topic, one, chunk, index))) return true;
      // From here on to the frame nothing comes in between.
      if (this.#followed.get(topic) !== one) return false;
      if (one.thing.away) return true;
      if (!isKnown(frame, one, this.#follower.memberId)) return true;
      one.position = frame.cursor;
      if (!isFor(frame, one, this.#follower.memberId)) continue;
      await this.#follower.push(frame, compareCursors(one.since, frame.cursor) < 0 ? 'new' : 'missed');
    }
    // What was missed is over: the position is past it, or nothing more was said.
    if (chunk.frames.length < CHUNK && isBehind) one.since = one.position;
    return chunk.frames.length === CHUNK;
  }

  /** Asks what the client may see of it now. @returns false: nothing any more */
  async #look(topic: string, one: Followed): Promise<boolean> {
    const now = await this.#follower.look(topic, one.thing);
    if (now) one.thing = seenAnew(one, now);
    return now !== undefined;
  }

  /** Asks Auth what it takes to decide on an event. @returns false when all must be read again first, as it may not hold any more */
  async #prepare(topic: string, one: Followed, { frames, asked }: Chunk, index: number): Promise<boolean> {
    const frame = frames[index];
    const began = performance.now();
    const holds = (since: number): boolean => performance.now() - since < ANSWER_HOLDS_MS;
    if (frame?.whom === 'members' && frame.of === this.#follower.memberId) {
      // What it is in the group has changed, so what it may see there may have.
      if (!(await this.#look(topic, one))) return true;
      one.asked = began;
    } else if (frame && 'groupId' in one.thing && !isKnown(frame, one, this.#follower.memberId)) {
      const { groupId } = one.thing;
      // With all that follow, and the group itself whose topic it is: then nothing else must be known of the socket.
      const asked = new Map<string, Asked>([[groupId, { groupId }]]);
      for (const each of frames.slice(index)) {
        const subject = subjectOf(each, one, this.#follower.memberId);
        if (subject) asked.set(...subject);
      }
      const answers = await this.#follower.visible([...asked.values()]);
      const keys = [...asked.keys()];
      one.known = { of: new Set(keys), visible: new Set(keys.filter((_, at) => answers[at])) };
      if (one.known.visible.has(groupId)) one.asked = began;
    }
    return holds(Math.max(asked, one.asked));
  }
}

/**
 * What is to be known of another thing than the topic's group, before an event is handed over, and as what: a group that is there is another
 * thing than the same when it is gone. Undefined: nothing is, or the client does not hear of it anyway.
 */
function subjectOf({ whom, of }: TopicFrame, { thing }: Followed, memberId: string): [key: string, Asked] | undefined {
  // Who is in a room hears all that is said there.
  if (!('groupId' in thing)) return undefined;
  switch (whom) {
    case 'group':
      return [of, { groupId: of }];
    case 'gone':
      return [`gone ${of}`, { groupId: of, goneFrom: thing.groupId }];
    case 'members':
    case 'requests':
    case 'invitations':
      // What it is in the group itself, it hears in any case.
      return thing.sight[whom] && !(whom === 'members' && of === memberId) ? [`member ${of}`, { memberId: of }] : undefined;
    default:
      return undefined;
  }
}

/** Whether all is known that is to be known of an event. */
function isKnown(frame: TopicFrame, one: Followed, memberId: string): boolean {
  const subject = subjectOf(frame, one, memberId);
  return !subject || one.known.of.has(subject[0]);
}

/** Whether a client is to have an event of a topic that it follows. */
function isFor(frame: TopicFrame, one: Followed, memberId: string): boolean {
  const { whom, of } = frame;
  const { thing, known } = one;
  if (!('groupId' in thing)) return whom === 'all';
  const subject = subjectOf(frame, one, memberId);
  if (subject && !(known.visible.has(thing.groupId) && known.visible.has(subject[0]))) return false;
  switch (whom) {
    case 'all':
    case 'group':
    case 'gone':
      return true;
    case 'members':
      return thing.sight.members || of === memberId;
    case 'positions':
    case 'requests':
    case 'invitations':
      return thing.sight[whom];
    default:
      // Of a newer release.
      return false;
  }
}
