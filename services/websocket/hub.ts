import { randomUUID } from 'node:crypto';
import { atMost } from '#platform/concurrency/abort.ts';
import { startLoop } from '#platform/concurrency/loop.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import { type Logger, logDefect } from '#platform/process/log.ts';
import { listen } from '#platform/redis/client.ts';
import { Allowance } from './allowance.ts';
import { type Closing, closing, type Limits } from './domain.ts';
import { socketsOpen, socketsUnauthenticated } from './metrics.ts';
import { SharedTopics } from './shared-topics.ts';
import { checkChannel, type Registration, type SocketName, type SocketStore, wakeChannel } from './store.ts';
import { saidChannel } from './topic-store.ts';

/** A socket as its instance sees it. */
export interface Connected {
  readonly memberId: string;
  /** Its member's events, or those of its topics, may have grown. */
  wake(): void;
  /** Its session, or what it may follow, may have ended: asks Auth, and closes or ends that, or says in the store that Auth vouches for it. */
  recheck(): void;
  /** Makes sure that Auth knows it, and then that the store does. */
  readmit(): Promise<void>;
  close(how: Closing): void;
  /** Closes it without waiting for the client. */
  cut(how: Closing): void;
  /** Resolves when it is closed and forgotten. */
  readonly gone: Promise<void>;
}

/** An instance that is silent for so long is taken for dead, and its sockets are forgotten. */
const LEASE_MS = 15_000;
const STOP_TIMEOUT_MS = 3_000;
export const SERVER_STOPS = closing('goingAway', 'SERVICE_UNAVAILABLE', 'the server stops; connect again');

/** The sockets of this instance: wakes them when events come, has them checked, and keeps the instance's lease. */
export class Hub {
  readonly instance = randomUUID();
  /** What its sockets follow together. */
  readonly shared: SharedTopics;
  readonly #byMember = new Map<string, Set<Connected>>();
  readonly #topics = new Map<string, Allowance>();
  /** The IDs of the sockets that this instance has registered, or is about to. */
  readonly #registered = new Set<string>();
  /** The oldest first. */
  readonly #unauthenticated = new Set<Connected>();
  readonly #store: SocketStore;
  readonly #log: Logger;
  readonly #leaseMs: number;
  /** How often the lease lapsed, and up to which lapse every socket is registered again. */
  #lapses = 0;
  #healed = 0;
  #healing = false;
  #stopping = false;

  /** @param leaseMs how long others believe in this instance without a sign of life. Default 15,000. */
  constructor(store: SocketStore, log: Logger, leaseMs = LEASE_MS) {
    this.#store = store;
    this.shared = new SharedTopics(store.topics, this);
    this.#log = log;
    this.#leaseMs = leaseMs;
  }

  /** The lapse of its lease after which every socket was registered again. */
  get healed(): number {
    return this.#healed;
  }

  get stopping(): boolean {
    return this.#stopping;
  }

  /**
   * Takes in a socket that is not a member's yet, or will not be. Of more than `allowed` the oldest gives way: a client
   * has its token ready, so who floods would have to open so many in the moment that Auth takes to look at one.
   */
  arrive(socket: Connected, allowed: number): void {
    this.#unauthenticated.add(socket);
    socketsUnauthenticated.inc();
    for (const oldest of this.#unauthenticated) {
      if (this.#unauthenticated.size <= allowed) break;
      this.#left(oldest);
      oldest.cut(closing('tryAgainLater', 'TOO_BUSY', 'too many sockets wait to be authenticated'));
    }
  }

  /** What the member may ask about topics now. It outlives its sockets: coming back brings no fresh one. Not to be kept. */
  topicsOf(memberId: string, { topicsPerSecond, topicsPerSocket }: Limits): Allowance {
    const topics = this.#topics.get(memberId) ?? new Allowance(topicsPerSecond, topicsPerSocket);
    this.#topics.set(memberId, topics);
    return topics;
  }

  /** As the store's `register`, for a socket of this instance. */
  async register(socket: SocketName & { closings: number }, forMs: number, allowed: number): Promise<Registration> {
    const { socketId } = socket;
    const isNew = !this.#registered.has(socketId);
    // First: what is registered and not known here is taken for what a closed socket has left.
    this.#registered.add(socketId);
    let answer: Registration | undefined;
    try {
      answer = await this.#store.register({ ...socket, instance: this.instance }, forMs, allowed);
      return answer;
    } finally {
      if (isNew && typeof answer !== 'object') this.#registered.delete(socketId);
    }
  }

  /** For a socket that is gone, or was not let in. What fails is made up for when the member's sockets are checked. */
  async unregister(socket: SocketName): Promise<void> {
    if (!this.#registered.delete(socket.socketId)) return;
    await this.#store.unregister(socket).catch((error: Error) => {
      this.#log.debug({ reason: error.message }, 'a closed socket stays registered until its token expires');
    });
  }

  #left(socket: Connected): void {
    if (this.#unauthenticated.delete(socket)) socketsUnauthenticated.dec();
  }

  /** The socket is its member's from now on. */
  add(socket: Connected): void {
    this.#left(socket);
    const sockets = this.#byMember.get(socket.memberId) ?? new Set();
    this.#byMember.set(socket.memberId, sockets.add(socket));
    socketsOpen.inc();
  }

  remove(socket: Connected): void {
    this.#left(socket);
    const sockets = this.#byMember.get(socket.memberId);
    if (!sockets?.delete(socket)) return;
    if (sockets.size === 0) this.#byMember.delete(socket.memberId);
    socketsOpen.dec();
  }

  /** Takes the lease and listens for wake-ups, on a connection of its own, until the process stops. */
  async start({ url, prefix = '', lifecycle }: { url: Secret; prefix?: string; lifecycle: Lifecycle }): Promise<void> {
    // There was none, which counts as a lapse, and there are no sockets to heal.
    await this.#store.renew(this.instance, this.#leaseMs, this.#lapses);
    this.#lapses = this.#healed = 1;
    const renewing = startLoop(() => this.#renew(), {
      name: 'renewing the lease',
      log: this.#log,
      everyMs: this.#leaseMs / 3,
      later: true,
      longestPauseMs: this.#leaseMs / 3,
    });

    const [checks, said] = [checkChannel(prefix, this.instance), saidChannel(prefix, this.instance)];
    const redis = await listen({
      url,
      log: this.#log,
      lifecycle,
      channels: [wakeChannel(prefix, this.instance), checks, said],
      heard: (channel, name) => {
        if (channel === checks) this.#check(name);
        else if (channel === said) this.shared.heard(name);
        else for (const socket of this.#byMember.get(name) ?? []) socket.wake();
      },
      since: () => {
        for (const socket of this.#all()) socket.wake();
      },
    });

    lifecycle.onStop('sockets', 'intake', () => this.#stop());
    lifecycle.onStop('socket wake-ups', 'work', async () => {
      await renewing.stop();
      redis.disconnect();
      await this.#store.leave(this.instance);
    });
  }

  /** The member's sessions may have ended. Whoever waits for its sockets to be gone must not wait for one that is. */
  #check(memberId: string): void {
    for (const socket of this.#byMember.get(memberId) ?? []) socket.recheck();
    this.#store
      .retain(memberId, this.instance, (socketId) => this.#registered.has(socketId))
      .catch((error: Error) => this.#log.debug({ reason: error.message }, 'sockets that are gone may still be registered'));
  }

  async #renew(): Promise<void> {
    for (const [memberId, topics] of this.#topics) if (topics.whole) this.#topics.delete(memberId);
    // Without one, it had run out, or Redis lost it: others may have forgotten these sockets.
    if (!(await this.#store.renew(this.instance, this.#leaseMs, this.#lapses))) this.#lapses++;
    if (this.#healed === this.#lapses || this.#healing) return;
    this.#healing = true;
    // The lease does not wait for this.
    this.#heal(this.#lapses)
      .finally(() => {
        this.#healing = false;
      })
      .catch(logDefect(this.#log, 'sockets are not registered again'));
  }

  /**
   * Registers all sockets again; what fails is tried at the next renewal. Auth is asked about each first, for a member's
   * sockets may have been closed meanwhile, and others did not wait for those of an instance that seemed dead.
   */
  async #heal(lapse: number): Promise<void> {
    const sockets = [...this.#all()];
    this.#log.warn({ sockets: sockets.length }, 'the lease had lapsed; registering all sockets again');
    const outcomes = await Promise.allSettled(sockets.map((socket) => socket.readmit().then(() => socket.wake())));
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    if (failed.length === 0) this.#healed = lapse;
    else this.#log.warn({ failed: failed.length, reason: String(failed[0]?.reason) }, 'not all sockets are registered yet');
  }

  async #stop(): Promise<void> {
    this.#stopping = true;
    const sockets = [...this.#all(), ...this.#unauthenticated];
    for (const socket of sockets) socket.close(SERVER_STOPS);
    await atMost(STOP_TIMEOUT_MS, Promise.all(sockets.map((socket) => socket.gone)));
  }

  *#all(): Iterable<Connected> {
    for (const sockets of this.#byMember.values()) yield* sockets;
  }
}
