import { type Frame, Socket } from '../../test/socket.ts';

const LONGEST_MS = 60_000;
/** What is answered by a socket that was closed. */
const CLOSED: Frame = { type: 'closed' };

/** An open socket that follows a group, and when it heard of which of the group's versions. */
export class Follower {
  readonly #socket: Socket;
  readonly #topic: string;
  readonly #heard = new Map<number, number>();
  /** What is waited for: an answer by its `ref`, a version by its number. */
  readonly #awaited = new Map<string | number, (frame: Frame) => void>();
  #follows = false;
  #refs = 0;

  private constructor(socket: Socket, groupId: string) {
    this.#socket = socket;
    this.#topic = `group:${groupId}`;
    socket.onFrame = (frame) => this.#receive(frame);
    socket.onClose = () => {
      for (const answer of this.#awaited.values()) answer(CLOSED);
      this.#awaited.clear();
    };
  }

  static async open(token: string | undefined, groupId: string): Promise<Follower> {
    const follower = new Follower(await Socket.open(token), groupId);
    await follower.follow();
    return follower;
  }

  /** Follows the group from now on, where it does not. @throws when it may not */
  async follow(): Promise<void> {
    await this.flush();
    if (this.#follows) return;
    const answer = await this.#ask({ type: 'subscribe', topics: [this.#topic] });
    if (answer.type !== 'subscribed') throw new Error(`${this.#topic} can not be followed: ${JSON.stringify(answer)}`);
    this.#follows = true;
  }

  /** What was sent before has come, or nothing comes any more. */
  flush = (): Promise<Frame> => this.#ask({ type: 'ping' });

  hasHeard(version: number): boolean {
    return this.#heard.has(version);
  }

  /** The versions that it heard of after that. */
  heardSince(at: number): number[] {
    return [...this.#heard].filter(([, heard]) => heard > at).map(([version]) => version);
  }

  /** Waits until it hears of a version. */
  async hears(version: number): Promise<void> {
    if (!this.#heard.has(version)) await this.#frame(version);
  }

  async close(): Promise<void> {
    await this.#socket.close();
  }

  async #ask(frame: object): Promise<Frame> {
    if (this.#socket.closed !== undefined) return CLOSED;
    const ref = String(this.#refs++);
    this.#socket.send({ ...frame, ref });
    return await this.#frame(ref);
  }

  #frame(key: string | number): Promise<Frame> {
    const { promise, resolve, reject } = Promise.withResolvers<Frame>();
    const late = (): void => reject(new Error(`in ${this.#topic}, ${key} does not come; closed: ${this.#socket.closed}`));
    const timer = setTimeout(late, LONGEST_MS);
    const before = this.#awaited.get(key);
    this.#awaited.set(key, (frame) => {
      before?.(frame);
      resolve(frame);
    });
    return promise.finally(() => clearTimeout(timer));
  }

  #receive(frame: Frame): void {
    // A socket keeps all that it was sent.
    this.#socket.frames.length = 0;
    const { type, topic, topics, groupId, version, ref } = frame;
    if (type === 'unsubscribed' && (topic === this.#topic || topics?.includes(this.#topic))) this.#follows = false;
    // Whatever it was: what is read after a change may have been moved since.
    const isNews = type === 'group' && topic === this.#topic && topic === `group:${groupId}`;
    if (isNews && version !== undefined) this.#heard.set(version, performance.now());
    for (const key of [ref, isNews ? version : undefined]) {
      if (key === undefined) continue;
      this.#awaited.get(key)?.(frame);
      this.#awaited.delete(key);
    }
  }
}
