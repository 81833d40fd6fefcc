import test from 'ava';
import { MongoClient } from 'mongodb';
import { whole } from '#platform/cases.fixture.ts';
import { until } from '#platform/until.fixture.ts';
import { MOST_ADDED, MOST_SUBGROUPS } from '../../platform/validation/group-fields.ts';
import { defaultPositionId } from '../../services/position/domain.ts';
import { type Answer, address, admin, type Client, login, register, unique } from '../client.ts';
import { rows } from '../evidence.ts';

// As many groups in one as there can be, and as many members as one command adds, end to end: by default fewer, and all of them by `npm run matrix` or
//
// MUSUBI_TEST_SUBGROUPS=10000 MUSUBI_TEST_ADDED=10000 npm test -- test/groups/many-in-groups.test.ts

const SUBGROUPS = Number(process.env.MUSUBI_TEST_SUBGROUPS || (whole ? MOST_SUBGROUPS : 250));
const ADDED = Number(process.env.MUSUBI_TEST_ADDED || (whole ? MOST_ADDED : 120));
/** So many are made by one test: one that takes longer would be taken to hang. */
const PART = 500;
const AT_ONCE = 8;
/** A member is in at most a thousand groups, and who makes one is in it. */
const MADE_BY_ONE = 900;
/** Access tokens last five minutes. */
const RENEW_MS = 120_000;
const PAGE = 100;
/** So many groups are removed by one part of a deletion. */
const GROUPS_IN_A_PART = 100;

const wait = { prefer: 'wait=30' };
const clients: { client: Client; renew: () => Promise<Client> }[] = [];
let renewal: NodeJS.Timeout;

test.before(() => {
  renewal = setInterval(() => {
    for (const { client, renew } of clients)
      renew().then(
        ({ token }) => Object.assign(client, { token }),
        () => undefined,
      );
  }, RENEW_MS);
});
test.after.always(() => clearInterval(renewal));

/** Somebody who is logged in for as long as this runs. */
async function lasting(renew: () => Promise<Client>): Promise<Client> {
  const client = await renew();
  clients.push({ client, renew });
  return client;
}

/** An administrator of its own. */
async function maker(as: Client): Promise<Client> {
  const { memberId, loginId, password } = await register(as, 'maker');
  await as.put(`/v1/members/${memberId}/roles/admin`, undefined, wait);
  return await lasting(() => login(loginId, password));
}

/** Does something so many times, several at the same time. */
async function times(from: number, to: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = from;
  const lane = async (): Promise<void> => {
    for (let at = next++; at < to; at = next++) await work(at);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

const parts = (count: number): [from: number, to: number][] =>
  Array.from({ length: Math.ceil(count / PART) }, (_, i) => [i * PART, Math.min(count, (i + 1) * PART)]);

/** What a command has made, also where that takes longer than it is waited for. */
async function done(as: Client, { status, body }: Answer): Promise<Answer['body']> {
  const job = status === 202 ? await as.finished(body.jobId, 300) : undefined;
  if (status >= 300 || (job && job.state !== 'completed')) throw new Error(`${status} ${JSON.stringify(job ?? body)}`);
  return job?.result ?? body;
}

const nameOf = (at: number): string => `G${String(at).padStart(6, '0')}`;
const idOf = ({ id }: { id: string }): string => id;

let top = '';
/** By their numbers. Three more come while the list is read. */
const subgroups: string[] = [];
const LATER = 3;
/** The IDs of all groups that are to go. */
const doomed = async (): Promise<string[]> =>
  (await rows('musubi_group', `select group_id as id from groups where group_id = '${top}' or parent_id = '${top}'`)).map(
    ({ id }) => String(id),
  );

test.serial('a group for many', async (t) => {
  const as = await lasting(admin);
  for (let i = 0; i < SUBGROUPS; i += MADE_BY_ONE) await maker(as);
  top = (await done(as, await as.post('/v1/groups', { name: unique('Wide') }, wait))).id;
  t.truthy(top);
});

for (const [from, to] of parts(SUBGROUPS - LATER))
  test.serial(`groups from ${from} to ${to} are made in it`, async (t) => {
    await times(from, to, async (at) => {
      const { client } = clients[1 + Math.floor(at / MADE_BY_ONE)] ?? {};
      if (!client) throw new Error('nobody makes it');
      // Their names are not in the order in which they are made.
      const name = nameOf(2 * ((at * 7_919) % (SUBGROUPS - LATER)));
      const made = await done(client, await client.post('/v1/groups', { name, parentId: top }, wait));
      subgroups.push(made.id);
    });
    t.is(subgroups.length, to);
  });

test.serial('they are listed page by page, each once and in order, while others come before and after the page', async (t) => {
  const [as] = clients.map(({ client }) => client);
  if (!as) throw new Error('nobody reads');
  const seen: { id: string; name: string }[] = [];
  const later: { before: string[]; after: string[] } = { before: [], after: [] };
  const insert = async (where: 'before' | 'after', at: number): Promise<void> => {
    const name = nameOf(at);
    later[where].push((await done(as, await as.post('/v1/groups', { name, parentId: top }, wait))).id);
  };
  for (let pageToken = '', pages = 0; pages === 0 || pageToken !== ''; pages++) {
    const token = pageToken && `&pageToken=${encodeURIComponent(pageToken)}`;
    const { status, body } = await as.get(`/v1/groups/${top}/subgroups?pageSize=${PAGE}${token}`);
    t.is(status, 200);
    t.true(body.items.length <= PAGE);
    if (body.nextPageToken) t.is(body.items.length, PAGE, 'a page is full but the last');
    seen.push(...body.items);
    pageToken = body.nextPageToken ?? '';
    if (pages !== 0) continue;
    // Between two that are there, behind the page and before it, and the last of all.
    await insert('before', 1);
    await insert('after', 2 * PAGE + 101);
    await insert('after', 2 * SUBGROUPS);
  }
  t.deepEqual(seen.map(idOf).sort(), [...subgroups, ...later.after].sort(), 'each once, and not what came before the page');
  t.deepEqual(
    seen.map(({ name }) => name),
    seen.map(({ name }) => name).toSorted(),
  );
  // The newest first, which come in front of what was read.
  const first = await as.get(`/v1/groups/${top}/subgroups?pageSize=${PAGE}&orderBy=createdAt%20desc`);
  t.deepEqual(
    first.body.items.slice(0, LATER).map(idOf).sort(),
    [...later.before, ...later.after].sort(),
    'those that came meanwhile',
  );
  t.is((await as.get(`/v1/groups/${top}`)).body.subgroupCount, SUBGROUPS);
  if (SUBGROUPS === MOST_SUBGROUPS)
    t.like(await as.post('/v1/groups', { name: 'One more', parentId: top }, wait), {
      status: 409,
      body: { code: 'TOO_MANY_SUBGROUPS' },
    });
});

/** What the stores have of groups, or of what is in them. */
async function leftOf(groupIds: readonly string[]): Promise<string[]> {
  const those = `group_id in (${groupIds.map((id) => `'${id}'`)})`;
  const tables = {
    musubi_group: ['groups', 'memberships', 'holds', 'closings'],
    musubi_position: ['positions', 'bindings', 'names'],
    musubi_query: ['memberships', 'positions', 'bindings'],
  };
  const left = Object.entries(tables).map(async ([database, names]) => {
    const there = database === 'musubi_query' ? `gone_at is null and ${those}` : those;
    const counts = await Promise.all(names.map((name) => rows(database, `select group_id from ${name} where ${there} limit 1`)));
    return counts.flatMap((found, at) => found.map(({ group_id }) => `${database}.${names[at]}: ${group_id}`));
  });
  return [...(await Promise.all(left)).flat(), ...(await leftInAuth(groupIds))];
}

async function leftInAuth(groupIds: readonly string[]): Promise<string[]> {
  const mongo = new MongoClient(address('MUSUBI_MONGODB_URL'));
  try {
    const db = mongo.db('musubi_auth');
    const those = { $in: [...groupIds] };
    const positionIds = { $in: groupIds.map((id) => defaultPositionId(id, 'leader')) };
    const groups = await db.collection<{ _id: string }>('groups').countDocuments({ _id: those });
    const members = await db.collection('members').countDocuments({ $or: [{ groupIds: those }, { positionIds }] });
    return groups + members === 0 ? [] : [`Auth: ${groups} groups, ${members} members in them or bound there`];
  } finally {
    await mongo.close();
  }
}

test.serial('and deleted with it, by one command, part by part: nothing of any of them is left in any store', async (t) => {
  const [as] = clients.map(({ client }) => client);
  if (!as) throw new Error('nobody deletes them');
  const groupIds = await doomed();
  const count = SUBGROUPS + 1;
  t.is(groupIds.length, count);
  t.true(count > GROUPS_IN_A_PART, 'more than one part');
  // Nothing holds them, or is about to.
  t.is((await leftOf(groupIds)).length, 9, 'what is looked for is there until then');
  const begun = await as.delete(`/v1/groups/${top}?cascade=true`);
  t.is(begun.status, 202);
  const job = await as.finished(begun.body.jobId, 300);
  // Five steps, then the memberships, a thousand at a time, of each group that of who made it; and three steps for each part of the groups.
  const total = 5 + Math.ceil(count / 1_000) + 3 * Math.ceil(count / GROUPS_IN_A_PART);
  t.like(job, { state: 'completed', progress: { done: total, total } });
  // What becomes of memberships no job waits for.
  await until(async () => (await leftOf(groupIds)).length === 0, 'nothing of them is left').catch(() => undefined);
  t.deepEqual(await leftOf(groupIds), []);
  for (const id of [top, ...subgroups.slice(0, 3), ...subgroups.slice(-3)]) t.is((await as.get(`/v1/groups/${id}`)).status, 404);
  const { body } = await as.get(`/v1/groups?query=${nameOf(1)}`);
  t.false(body.items.some(({ id }: { id: string }) => groupIds.includes(id)));
});

const memberIds: string[] = [];
for (const [from, to] of parts(ADDED))
  test.serial(`members from ${from} to ${to} are registered`, async (t) => {
    const [as] = clients.map(({ client }) => client);
    if (!as) throw new Error('nobody registers them');
    await times(from, to, async () => void memberIds.push((await register(as, 'many')).memberId));
    t.is(memberIds.length, to);
  });

test.serial(
  'all of them are added by one command, each with a line of its own, and are there to be seen when that is completed',
  async (t) => {
    const [as] = clients.map(({ client }) => client);
    if (!as) throw new Error('nobody adds them');
    const { id } = await done(as, await as.post('/v1/groups', { name: unique('Many') }, wait));
    const begun = await as.post(`/v1/groups/${id}/members:add`, { memberIds });
    t.is(begun.status, 202);
    const job = await as.finished(begun.body.jobId, 300);
    t.like(job, { state: 'completed', result: { added: ADDED } });
    const all = async (path: string): Promise<{ id: string; memberId: string; outcome: string }[]> => {
      const items: { id: string; memberId: string; outcome: string }[] = [];
      for (let pageToken = ''; ; ) {
        const { body } = await as.get(`${path}?pageSize=${PAGE}${pageToken && `&pageToken=${encodeURIComponent(pageToken)}`}`);
        items.push(...body.items);
        pageToken = body.nextPageToken ?? '';
        if (pageToken === '') return items;
      }
    };
    const lines = await all(`/v1/jobs/${begun.body.jobId}/lines`);
    t.deepEqual(
      lines.map(({ memberId, outcome }) => [memberId, outcome]),
      memberIds.map((memberId) => [memberId, 'added']),
    );
    const inIt = (await all(`/v1/groups/${id}/members`)).map(idOf);
    t.deepEqual(new Set(inIt).size, inIt.length);
    for (const memberId of memberIds) t.true(inIt.includes(memberId));
    t.is(inIt.length, ADDED + 1, 'with who made it');
  },
);
