import { ROOT } from '#platform/validation/group-fields.ts';
import { defaultPositionId } from '../../services/position/domain.ts';
import { type Answer, type Client, login, type Registered, register, unique } from '../../test/client.ts';
import { Draw } from '../access/draw.ts';

// An organisation that the product's own commands make.

/** Commands that are under way at the same time. */
const AT_ONCE = 20;
/** A member is in at most a thousand groups, and who makes one is in it. */
const MADE_BY_ONE = 900;
/** Access tokens last five minutes. */
const RENEW_MS = 150_000;
/** Of the groups beside the chain: this one is right in the whole organisation, and the deepest so far below that. */
const DEPTH = 10;
/** Of the chain: its deepest group is as deep as a group can be. */
const CHAIN = 99;

/** How many of something were made, and in which time. */
export interface Made {
  what: string;
  count: number;
  seconds: number;
}

interface Maker extends Registered {
  client: Client;
}

export class Organisation {
  readonly made: Made[] = [];
  /** One in the other, the topmost first: at the depth 1, 2, … */
  readonly chain: string[] = [];
  /** Of these each is right in the whole organisation, and empty but for what is moved. */
  readonly places: string[] = [];
  /** The group that is moved, and all others below it. */
  readonly branch: { id: string; depth: number }[] = [];
  readonly others: { id: string; depth: number }[] = [];
  /** One that nothing is below. */
  leaf = '';
  readonly members: Registered[] = [];
  readonly #admin: Client;
  readonly #makers: Maker[] = [];
  readonly #draw: Draw;
  readonly #renewal: NodeJS.Timeout;

  private constructor(admin: Client, as: { loginId: string; password: string }, seed: number) {
    this.#admin = admin;
    this.#draw = new Draw(seed);
    this.#renewal = setInterval(() => {
      for (const one of [{ ...as, client: admin }, ...this.#makers])
        void login(one.loginId, one.password).then(({ token }) => Object.assign(one.client, { token }));
    }, RENEW_MS);
  }

  /** @param groups how many will be made at most */
  static async begin(as: { loginId: string; password: string }, groups: number, seed: number): Promise<Organisation> {
    const admin = await login(as.loginId, as.password);
    const organisation = new Organisation(admin, as, seed);
    await organisation.#hire(Math.ceil((groups + 200) / MADE_BY_ONE) + 1);
    return organisation;
  }

  close(): void {
    clearInterval(this.#renewal);
  }

  /** Administrators, who make what is made. */
  async #hire(count: number): Promise<void> {
    for (let i = 0; i < count; i++) {
      const one = await register(this.#admin, 'maker');
      await this.#done(this.#admin, 'PUT', `/v1/members/${one.memberId}/roles/admin`);
      this.#makers.push({ ...one, client: await login(one.loginId, one.password) });
    }
  }

  async register(count: number): Promise<void> {
    await this.#count('members', count, async () => void this.members.push(await register(this.#admin, 'm')));
  }

  /** The chain, and where the branch comes. */
  async makeGround(): Promise<void> {
    for (let depth = 1; depth <= CHAIN; depth++) this.chain.push(await this.#make(this.chain.at(-1) ?? ROOT));
    this.places.push(await this.#make(ROOT), await this.#make(ROOT));
    this.leaf = await this.#make(this.places[0] ?? ROOT);
  }

  /** So many groups of which each is below the first. */
  async growBranch(count: number): Promise<void> {
    const [place = ROOT] = this.places;
    this.branch.push({ id: await this.#make(place), depth: 2 });
    await this.#grow(this.branch, count);
  }

  /** More groups, until there are so many beside the chain. */
  async growTo(count: number): Promise<void> {
    const missing = count - this.branch.length - this.others.length;
    if (missing <= 0) return;
    this.others.push({ id: await this.#make(ROOT), depth: 1 });
    await this.#grow(this.others, missing - 1);
  }

  async #grow(all: { id: string; depth: number }[], count: number): Promise<void> {
    await this.#count('groups', count, async () => {
      const parents = all.filter(({ depth }) => depth < DEPTH);
      const parent = this.#draw.of(parents) ?? { id: ROOT, depth: 0 };
      all.push({ id: await this.#make(parent.id), depth: parent.depth + 1 });
    });
  }

  /** Has each member be in so many of these groups. */
  async fill(groups: readonly { id: string }[], each: number): Promise<void> {
    const { members } = this;
    const lists = groups.map((): string[] => []);
    let at = 0;
    for (const { memberId } of members)
      for (let i = 0; i < Math.min(each, groups.length); i++) lists[at++ % lists.length]?.push(memberId);
    await this.#count(
      'memberships',
      groups.length,
      async (i) => {
        const [id, memberIds = []] = [groups[i]?.id, lists[i]];
        if (memberIds.length > 0) await this.#done(this.#maker().client, 'POST', `/v1/groups/${id}/members:add`, { memberIds });
      },
      at,
    );
  }

  /** Has members lead the chain from its top. */
  async leadChain(members: readonly Registered[]): Promise<void> {
    const [top = ''] = this.chain;
    for (const { memberId } of members) {
      await this.#done(this.#admin, 'PUT', `/v1/groups/${top}/members/${memberId}`);
      await this.#done(this.#admin, 'PUT', `/v1/groups/${top}/positions/${defaultPositionId(top, 'leader')}/members/${memberId}`);
    }
  }

  /** Moves a group with all that is below it, which begins at the first place, to and fro. */
  async move(id: string, i: number): Promise<void> {
    await this.#done(this.#admin, 'POST', `/v1/groups/${id}:move`, { parentId: this.places[(i + 1) % 2] });
  }

  /** As many pages as it takes. @throws when these are not all */
  async wholeTree(): Promise<void> {
    const ids = new Set<string>();
    for (let pageToken = '', isFirst = true; isFirst || pageToken !== ''; isFirst = false) {
      const next = pageToken === '' ? '' : `&pageToken=${encodeURIComponent(pageToken)}`;
      const page = await this.get(`/v1/groups/${ROOT}/subgroups?depth=100&pageSize=10000${next}`);
      for (const { id } of page.items) ids.add(id);
      pageToken = page.nextPageToken ?? '';
    }
    const all = [this.leaf, ...this.chain, ...this.places, ...[...this.branch, ...this.others].map(({ id }) => id)];
    if (all.some((id) => !ids.has(id))) throw new Error(`the tree has ${ids.size} groups, of ${all.length}`);
  }

  async get(path: string): Promise<Answer['body']> {
    const { status, body } = await this.#admin.get(path);
    if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
    return body;
  }

  #maker(): Maker {
    return this.#makers.reduce((one, other) => (this.#load(other) < this.#load(one) ? other : one));
  }
  readonly #loads = new Map<Maker, number>();
  #load(one: Maker): number {
    return this.#loads.get(one) ?? 0;
  }

  async #make(parentId: string): Promise<string> {
    const maker = this.#maker();
    this.#loads.set(maker, this.#load(maker) + 1);
    return String((await this.#done(maker.client, 'POST', '/v1/groups', { name: unique('Group'), parentId })).id);
  }

  /** @returns what the answer, or the job, has in the end */
  async #done(client: Client, method: string, path: string, body?: object): Promise<{ id?: string }> {
    const answer = await client.request(method, path, body, { prefer: 'wait=60' });
    if (answer.status < 300 && answer.status !== 202) return answer.body;
    const job = answer.status === 202 ? await client.finished(answer.body.jobId, 600) : undefined;
    if (job?.state !== 'completed') throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(job ?? answer.body)}`);
    return job.result ?? {};
  }

  /** @param of how many are made by all of it */
  async #count(what: string, count: number, one: (i: number) => Promise<void>, of = count): Promise<void> {
    const begun = performance.now();
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let i = next++; i < count; i = next++) await one(i);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, lane));
    const seconds = (performance.now() - begun) / 1_000;
    this.made.push({ what, count: of, seconds });
    process.stdout.write(`${of} ${what} in ${seconds.toFixed(1)} s: ${(of / seconds).toFixed(1)}/s\n`);
  }
}
