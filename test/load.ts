import { setTimeout as sleep } from 'node:timers/promises';
import { MongoClient } from 'mongodb';
import WebSocket from 'ws';
import { address, admin, type Client, register, unique } from './client.ts';
import { order, rows, versions, versionsInKafka } from './evidence.ts';

/** What a command may fail with while something is away; anything else is wrong. */
const AWAY = new Set(['SERVICE_UNAVAILABLE', 'MEMBER_BUSY']);

/** One member that one lane changes again and again, and what it must look like now. */
interface Lane {
  memberId: string;
  loginId: string;
  /** It goes from one to the other and back: only so many former names are held for a member. */
  logins: readonly [string, string];
  displayName: string;
}

/** What was found after the load; everything but `accepted`, `completed` and `undone` must be empty. */
export interface Findings {
  accepted: number;
  completed: number;
  /** Commands that ended failed, with their undo done. */
  undone: number;
  /** Accepted commands that did not end. */
  unfinished: string[];
  /** Differences between what was answered, the service, the read model and Auth. */
  wrong: string[];
  lostEvents: string[];
  reorderedEvents: string[];
  /** Jobs whose end the owner's socket was told of never, or twice. */
  untold: string[];
  toldTwice: string[];
}

/**
 * Commands without a pause while something is broken, by clients who go on when they are refused: each lane
 * changes its member's name and login, waits for the end of the job, and starts the next.
 */
export class Load {
  readonly #client: Client;
  readonly #follower: Follower;
  readonly #lanes: Lane[];
  readonly #ended = new Map<string, string>();
  readonly #unfinished: string[] = [];
  readonly #wrong: string[] = [];
  #running: Promise<unknown> | undefined;
  #stopping = false;
  #names = 0;
  readonly #stem = unique('load');

  private constructor(client: Client, follower: Follower, lanes: Lane[]) {
    this.#client = client;
    this.#follower = follower;
    this.#lanes = lanes;
  }

  /** @param waitSeconds how long the answer to a registration is waited for; then its job is */
  static async prepare(lanes: number, waitSeconds?: number): Promise<Load> {
    const client = await admin();
    const follower = new Follower(client);
    try {
      const members = await Promise.all(Array.from({ length: lanes }, () => register(client, 'lane', waitSeconds)));
      await follower.ready();
      const named = members.map(({ memberId, loginId }) => ({
        memberId,
        loginId,
        logins: [loginId, `${loginId}.renamed`] as const,
        displayName: 'lane of a test',
      }));
      return new Load(client, follower, named);
    } catch (error) {
      // Else it would come back for ever, and the process that prepares would never end.
      follower.close();
      throw error;
    }
  }

  get ended(): number {
    return this.#ended.size;
  }

  /** Starts the lanes; they go on until {@link finish}, or until `commands` have ended. */
  start(commands = Number.POSITIVE_INFINITY): void {
    // Tokens last five minutes.
    const renewal = setInterval(
      () =>
        void admin().then(
          ({ token }) => this.#renew(token),
          () => undefined,
        ),
      120_000,
    );
    this.#running = Promise.all(
      this.#lanes.map(async (lane) => {
        while (!this.#stopping && this.#ended.size < commands) await this.#change(lane);
      }),
    ).finally(() => clearInterval(renewal));
  }

  #renew(token: string | undefined): void {
    this.#client.token = token;
  }

  async whenDone(): Promise<void> {
    await this.#running;
  }

  async #change(lane: Lane): Promise<void> {
    const name = `${this.#stem}-${this.#names++}`;
    const key = unique('key');
    const [login, other] = lane.logins;
    const body = { displayName: name, loginId: lane.loginId === login ? other : login };
    let jobId: string | undefined;
    // A client that got no answer repeats with its key: it is one command all the same.
    for (let i = 0; jobId === undefined && i < 300; i++) {
      const answer = await this.#client
        .patch(`/v1/members/${lane.memberId}`, body, { 'idempotency-key': key })
        .catch(() => undefined);
      if (answer?.status === 202) jobId = answer.body.jobId as string;
      else if (answer && answer.status < 500 && answer.status !== 429) {
        this.#wrong.push(`PATCH was answered ${answer.status} ${JSON.stringify(answer.body)}`);
        return;
      } else await sleep(200);
    }
    if (jobId === undefined) {
      this.#wrong.push(`never accepted: ${name}`);
      return;
    }
    try {
      const job = await this.#client.finished(jobId, 180);
      this.#ended.set(jobId, job.state);
      if (job.state === 'completed') Object.assign(lane, body);
      else if (job.state !== 'failed' || !AWAY.has(job.error?.code))
        this.#wrong.push(`job ${jobId} ended ${job.state}: ${JSON.stringify(job.error)}`);
    } catch (error) {
      this.#unfinished.push(`${jobId}: ${String(error)}`);
    }
  }

  /** Ends the lanes, waits until everything has come to rest, and looks into every store. */
  async finish(): Promise<Findings> {
    this.#stopping = true;
    await this.#running;
    await this.#follower.settle([...this.#ended.keys()]);
    const { differences, ...events } = await this.#atRest();
    const told = (jobId: string): number => this.#follower.told.get(jobId) ?? 0;
    const states = [...this.#ended.values()];
    return {
      accepted: this.#ended.size + this.#unfinished.length,
      completed: states.filter((state) => state === 'completed').length,
      undone: states.filter((state) => state === 'failed').length,
      unfinished: this.#unfinished,
      wrong: [...this.#wrong, ...differences],
      ...events,
      untold: [...this.#ended.keys()].filter((jobId) => told(jobId) === 0),
      toldTwice: [...this.#ended.keys()].filter((jobId) => told(jobId) > 1),
    };
  }

  async close(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    this.#follower.close();
  }

  /** The stores and Kafka once they agree, or after a minute: what was undone is promised to queries and Kafka, but not by when. */
  async #atRest(): Promise<{ differences: string[] } & ReturnType<typeof order>> {
    const ids = this.#lanes.map(({ memberId }) => memberId);
    const deadline = Date.now() + 60_000;
    for (;;) {
      const differences = await this.#differences();
      const newest = await versions(ids);
      const found = { differences, ...order(await versionsInKafka(ids), newest) };
      if ((differences.length === 0 && found.lostEvents.length === 0) || Date.now() > deadline) return found;
      await sleep(500);
    }
  }

  /** What the lanes were told last, against Member, the read model and Auth. */
  async #differences(): Promise<string[]> {
    const members = await rows('musubi_member', `select member_id, login_id, display_name, status, lock, version from members`);
    const views = await rows('musubi_query', `select id as member_id, login_id, display_name, version from members`);
    const mongo = await new MongoClient(address('MUSUBI_MONGODB_URL')).connect();
    const logins = await mongo
      .db('musubi_auth')
      .collection<{ _id: string; loginId: string; status: string }>('members')
      .find()
      .toArray();
    await mongo.close();
    const found: string[] = [];
    for (const { memberId, loginId, displayName } of this.#lanes) {
      const row = members.find((one) => one.member_id === memberId);
      const view = views.find((one) => one.member_id === memberId);
      const login = logins.find((one) => one._id === memberId);
      if (row?.status !== 'ACTIVE' || row.lock !== null) found.push(`${memberId} is ${row?.status}, locked: ${row?.lock}`);
      if (row?.login_id !== loginId || row?.display_name !== displayName)
        found.push(`${memberId}: answered ${loginId}, Member has ${row?.login_id}`);
      if (view?.login_id !== row?.login_id || view?.display_name !== row?.display_name || view?.version !== row?.version)
        found.push(`${memberId}: Member has ${row?.version} ${row?.login_id}, the read model ${view?.version} ${view?.login_id}`);
      if (login?.loginId !== row?.login_id || login?.status !== 'active')
        found.push(`${memberId}: Member has ${row?.login_id}, Auth ${login?.loginId} (${login?.status})`);
    }
    return found;
  }
}

/** Follows the ends of jobs on the socket, and comes back with its cursor whenever it is dropped. */
class Follower {
  /** How often the end of each job was told. */
  readonly told = new Map<string, number>();
  readonly #client: Client;
  #ws: WebSocket | undefined;
  #cursor: string | undefined;
  #closed = false;

  constructor(client: Client) {
    this.#client = client;
    this.#connect();
  }

  #connect(): void {
    if (this.#closed) return;
    const ws = new WebSocket(address('MUSUBI_WEBSOCKET_URL'), 'musubi.v1', {
      headers: { authorization: `Bearer ${this.#client.token}` },
    });
    this.#ws = ws;
    ws.on('open', () =>
      ws.send(JSON.stringify({ type: 'subscribe', topics: ['member:me'], ...(this.#cursor ? { cursor: this.#cursor } : {}) })),
    );
    ws.on('message', (data) => {
      const frame = JSON.parse(String(data)) as { type: string; cursor?: string; job?: { id: string; state: string } };
      if (frame.type === 'subscribed' || frame.type === 'job') this.#cursor = frame.cursor ?? this.#cursor;
      const { job } = frame;
      if (job && ['completed', 'failed', 'cancelled'].includes(job.state))
        this.told.set(job.id, (this.told.get(job.id) ?? 0) + 1);
    });
    ws.on('error', () => undefined); // 'close' follows
    ws.on('close', () => setTimeout(() => this.#connect(), 250));
  }

  async ready(): Promise<void> {
    for (let i = 0; i < 1_200 && !this.#cursor; i++) await sleep(50);
    if (!this.#cursor) throw new Error('the socket does not get ready');
  }

  /** Waits until all of these were told, or for a minute. */
  async settle(jobIds: string[]): Promise<void> {
    for (let i = 0; i < 240 && jobIds.some((id) => !this.told.has(id)); i++) await sleep(250);
    await sleep(500); // a second telling would come now
  }

  close(): void {
    this.#closed = true;
    this.#ws?.terminate();
  }
}
