import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type Client, login, type Registered, register, unique } from '../../test/client.ts';
import type { Draw } from './draw.ts';
import { Follower } from './follower.ts';
import type { Pivots } from './pivots.ts';
import { ASKED, type Asked, type Tally } from './tally.ts';
import type { WallClock } from './wall.ts';

// A position that is taken away, raced by requests of who was bound to it.

const wait = { prefer: 'wait=60' };
/** Of one member. */
const MOST_AT_ONCE = 6;

/** For so long a position is given that ends in time; longer, where the machine is too slow for that. */
const TERM_MS = 1_500;
const POLL_MS = 50;
const MOST_TRIES = 5;

/** How a position can be taken away, and given back: also by time, by the member itself, with the member, and with what is done by it. */
export const WAYS = [
  ...(['unbound', 'ended in time', 'changed', 'left', 'expelled', 'suspended', 'deleted', 'moved', 'archived'] as const),
];
export type Way = (typeof WAYS)[number];

/** In what is archived nothing is changed, and all of it is read. */
const askedIn = (way: Way): readonly Asked[] => (way === 'archived' ? ['command', 'running job'] : ASKED);

interface Judging {
  pivots: Pivots;
  wall: WallClock;
  tally: Tally;
}

/** A job that was asked for before the position was taken away, and may pass its pivot before that is acknowledged only. */
interface Running {
  jobId: string;
  acknowledged: number;
  way: Way;
}

type Ids = Record<'outer' | 'inner' | 'elsewhere' | 'positionId', string>;

/**
 * A group that nobody finds, within another one; and a member of the outer one, who sees and changes the inner one by a position of the
 * outer one, and by nothing else.
 */
export class Ground {
  readonly #admin: Client;
  #member: Registered;
  readonly #client: Client;
  readonly #ids: Ids;
  readonly #name: string;
  readonly #judging: Judging;
  readonly #running: Running[] = [];
  /** The member's socket, which follows the inner group, and one that may do so all the time. */
  #sockets: { own: Follower; witness: Follower } | undefined;
  #changes = 0;

  private constructor(admin: Client, member: Registered, client: Client, made: { ids: Ids; name: string }, judging: Judging) {
    this.#admin = admin;
    this.#member = member;
    this.#client = client;
    this.#ids = made.ids;
    this.#name = made.name;
    this.#judging = judging;
  }

  static async make(admin: Client, judging: Judging): Promise<Ground> {
    const member = await register(admin, 'bound');
    const make = async (path: string, body: object): Promise<string> => {
      const { status, body: made } = await admin.post(path, body, wait);
      if (status !== 201) throw new Error(`${path}: ${status} ${JSON.stringify(made)}`);
      return made.id;
    };
    const name = unique('Inner');
    const visibility = 'invitation';
    const outer = await make('/v1/groups', { name: unique('Outer'), visibility });
    const elsewhere = await make('/v1/groups', { name: unique('Elsewhere'), visibility });
    const inner = await make('/v1/groups', { name, parentId: outer, visibility });
    const positionId = await make(`/v1/groups/${outer}/positions`, { name: 'Keeper', permissions: PERMISSIONS });
    const client = await login(member.loginId, member.password);
    const ground = new Ground(admin, member, client, { ids: { outer, inner, elsewhere, positionId }, name }, judging);
    await ground.#bringIn();
    await ground.#openSockets();
    return ground;
  }

  async #bringIn(): Promise<void> {
    await this.#do('PUT', this.#membership);
    await this.#do('PUT', this.#binding);
  }

  get #membership(): string {
    return `/v1/groups/${this.#ids.outer}/members/${this.#member.memberId}`;
  }
  get #binding(): string {
    return `/v1/groups/${this.#ids.outer}/positions/${this.#ids.positionId}/members/${this.#member.memberId}`;
  }

  get #following(): { own: Follower; witness: Follower } {
    if (!this.#sockets) throw new Error('no socket is open');
    return this.#sockets;
  }

  /** Access tokens last five minutes. */
  async renew(): Promise<void> {
    this.#client.token = (await login(this.#member.loginId, this.#member.password)).token;
    await this.close();
    await this.#openSockets();
  }

  async close(): Promise<void> {
    await Promise.all([this.#sockets?.own.close(), this.#sockets?.witness.close()]);
  }

  async #openSockets(): Promise<void> {
    const { inner } = this.#ids;
    const [own, witness] = await Promise.all([this.#client, this.#admin].map(({ token }) => Follower.open(token, inner)));
    if (own && witness) this.#sockets = { own, witness };
  }

  /** Takes the position away while things are asked by it, sees that it is gone, and gives it back. */
  async round(way: Way, draw: Draw): Promise<void> {
    const { tally } = this.#judging;
    const raced = askedIn(way);
    const { own } = this.#following;
    await own.follow();
    if (!(await this.#ask('query'))) tally.lacked.push(`before it was ${way}`);
    const asking = new Set<Promise<void>>();
    let acknowledged = Number.POSITIVE_INFINITY;
    const ask = async (asked: Asked): Promise<void> => {
      const at = performance.now();
      if (asked === 'running job') return await this.#begin(way, () => acknowledged);
      const isAllowed = await this.#ask(asked);
      tally.note(asked, at >= acknowledged, isAllowed, `it was ${way} ${(at - acknowledged).toFixed(1)} ms before`);
    };
    const taking = this.#take(way).then(() => {
      acknowledged = performance.now();
    });
    // What comes then was sent after the acknowledgement.
    const flushed = taking.then(() => own.flush()).then(() => performance.now());
    // By turns, until it is acknowledged and a little longer.
    for (let turn = draw.below(raced.length), more = raced.length; more > 0; turn++) {
      if (acknowledged < Number.POSITIVE_INFINITY) more--;
      const asked = ask(raced[turn % raced.length] ?? 'query').finally(() => asking.delete(asked));
      asking.add(asked);
      // It is waited for below, whatever becomes of the others.
      asked.catch(() => undefined);
      // Who asks for much at once waits for its answers, not for what is raced.
      if (asking.size >= MOST_AT_ONCE) await Promise.race([taking, ...asking]);
      await Promise.race([taking, sleep(draw.between(0, 15))]);
    }
    await Promise.all(asking);
    for (const version of raced.includes('open socket') ? own.heardSince(await flushed) : [])
      tally.note('open socket', true, true, `version ${version} was told after it was ${way}`);
    for (const job of this.#running) job.acknowledged = Math.min(job.acknowledged, acknowledged);
    await this.#judgeRunning();
    await this.#giveBack(way);
    tally.rounds++;
  }

  /** @returns whether it was allowed */
  async #ask(asked: Exclude<Asked, 'running job'>): Promise<boolean> {
    const { inner, outer } = this.#ids;
    const { own, witness } = this.#following;
    const listed = ({ status, body }: Answer): boolean =>
      status === 200 && body.items.some(({ id }: { id: string }) => id === inner);
    switch (asked) {
      case 'command': {
        const changes = { description: `by position ${this.#changes++}` };
        const { status } = await this.#client.patch(`/v1/groups/${inner}`, changes, wait);
        return status < 300;
      }
      case 'query':
        return (await this.#client.get(`/v1/groups/${inner}`)).status === 200;
      case 'list':
        return listed(await this.#client.get(`/v1/groups/${outer}/subgroups`));
      case 'search':
        return listed(await this.#client.get(`/v1/groups?query=${this.#name}`));
      case 'open socket': {
        await this.#do('PATCH', `/v1/groups/${inner}`, { description: `heard ${this.#changes++}` });
        const { headers } = await this.#admin.get(`/v1/groups/${inner}`);
        const version = Number(/\d+/.exec(headers.get('etag') ?? ''));
        await witness.hears(version);
        await own.flush();
        return own.hasHeard(version);
      }
      case 'permissions': {
        const { status, body } = await this.#client.get(`/v1/groups/${inner}/permissions`);
        return (
          status === 200 &&
          body.permissions.some((one: { action: string; allowed: boolean }) => one.action === 'group.update' && one.allowed)
        );
      }
    }
  }

  /** A command that is not waited for: its job is under way while the position is taken away. */
  async #begin(way: Way, acknowledged: () => number): Promise<void> {
    const { tally } = this.#judging;
    const at = performance.now();
    const { status, body } = await this.#client.patch(`/v1/groups/${this.#ids.inner}`, { description: `job ${this.#changes++}` });
    const isAfter = at >= acknowledged();
    if (status === 202) this.#running.push({ jobId: body.jobId, acknowledged: acknowledged(), way });
    // In what is archived a command is begun, and refused by its job, of which the gateway may not have heard yet.
    const isJudged = status === 202 && (!isAfter || way === 'archived');
    if (!isJudged) tally.note('running job', isAfter, status === 202, `it was ${way}`);
  }

  /** None passes its pivot after the acknowledgement. */
  async #judgeRunning(): Promise<void> {
    const { pivots, wall, tally } = this.#judging;
    for (const { jobId, acknowledged, way } of this.#running.splice(0)) {
      const job = await this.#admin.finished(jobId);
      const passed = await pivots.of(jobId, job.state === 'completed');
      const isLate = passed !== undefined && wall.earliest(passed) > acknowledged;
      tally.note('running job', isLate, passed !== undefined, `job ${jobId} passed its pivot after it was ${way}`);
    }
  }

  async #take(way: Way): Promise<void> {
    const { outer, inner, elsewhere, positionId } = this.#ids;
    switch (way) {
      case 'unbound':
        return await this.#do('DELETE', this.#binding);
      case 'ended in time':
        return await this.#endInTime();
      case 'changed':
        return await this.#do('PATCH', `/v1/groups/${outer}/positions/${positionId}`, { permissions: [] });
      case 'left':
        return await this.#do('DELETE', this.#membership, undefined, this.#client);
      case 'expelled':
        return await this.#do('POST', `${this.#membership}:expel`, { reason: 'in a race' });
      case 'suspended':
        return await this.#do('POST', `/v1/members/${this.#member.memberId}:suspend`, { reason: 'in a race' });
      case 'deleted':
        return await this.#do('DELETE', `/v1/members/${this.#member.memberId}`);
      case 'moved':
        return await this.#do('POST', `/v1/groups/${inner}:move`, { parentId: elsewhere });
      case 'archived':
        return await this.#do('POST', `/v1/groups/${outer}:archive`);
    }
  }

  /** Nobody is answered when a term ends: it is acknowledged by what queries show. */
  async #endInTime(): Promise<void> {
    const { outer, positionId } = this.#ids;
    for (let term = TERM_MS; ; term *= 2) {
      const until = new Date(Date.now() + term).toISOString();
      const { status, body } = await this.#admin.put(this.#binding, { until }, wait);
      if (status === 204) break;
      if (body.code !== 'INVALID_ARGUMENT' || Date.parse(until) > Date.now())
        throw new Error(`it is bound to nothing: ${status} ${JSON.stringify(body)}`);
    }
    const holders = `/v1/groups/${outer}/members?positionId=${positionId}`;
    while ((await this.#admin.get(holders)).body.items.length > 0) await sleep(POLL_MS);
  }

  async #giveBack(way: Way): Promise<void> {
    const { outer, inner, positionId } = this.#ids;
    switch (way) {
      case 'unbound':
      case 'ended in time':
        return await this.#do('PUT', this.#binding);
      case 'changed':
        return await this.#do('PATCH', `/v1/groups/${outer}/positions/${positionId}`, { permissions: PERMISSIONS });
      case 'left':
      case 'expelled':
        return await this.#bringIn();
      case 'suspended':
        await this.#do('POST', `/v1/members/${this.#member.memberId}:reinstate`);
        return await this.renew();
      case 'deleted':
        // Somebody else has it from now on.
        this.#member = await register(this.#admin, 'bound');
        await this.#bringIn();
        return await this.renew();
      case 'moved':
        return await this.#do('POST', `/v1/groups/${inner}:move`, { parentId: outer });
      case 'archived':
        return await this.#do('POST', `/v1/groups/${outer}:restore`);
    }
  }

  /** What has to be done: of those who are in its way one has its turn at last, also on a busy machine. */
  async #do(method: string, path: string, body?: object, as = this.#admin): Promise<void> {
    for (let tries = 1; ; tries++) {
      const answer = await as.request(method, path, body, wait);
      if (answer.status < 300 && answer.status !== 202) return;
      const job = answer.status === 202 ? await this.#admin.finished(answer.body.jobId) : undefined;
      if (job?.state === 'completed') return;
      const { code } = job?.error ?? answer.body;
      if (tries === MOST_TRIES || !String(code).endsWith('_BUSY'))
        throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(job ?? answer.body)}`);
    }
  }
}

const PERMISSIONS = ['group.read', 'group.list', 'group.update'].map((action) => ({ action, reach: 'subtree' }));
