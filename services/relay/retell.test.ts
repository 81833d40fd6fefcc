import { randomUUID } from 'node:crypto';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { byTests, lettingTestsIn } from '#platform/grpc/callers.fixture.ts';
import { connectPeer, type Peer } from '#platform/grpc/client.ts';
import { type Served, serveGrpc } from '#platform/grpc/server.ts';
import { fromWire, toWire } from '#platform/kafka/event-message.ts';
import type { Publisher } from '#platform/kafka/publish.ts';
import type { OutboxRecord } from '#platform/outbox/event.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { PAGE } from '#platform/state.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { memberState } from '../member/state.ts';
import { openStore as openMembers } from '../member/store.ts';
import { project } from '../query/projector.ts';
import { copiesState } from '../query/state.ts';
import { openStore as openReadModel } from '../query/store.ts';
import { roleState } from '../role/state.ts';
import { openStore as openRoles } from '../role/store.ts';
import { type Retell, retell } from './retell.ts';

// Member, Role and Query on their databases; the events go straight from hand to hand.

const scratches = {
  member: scratchDatabase('retell_member'),
  role: scratchDatabase('retell_role'),
  query: scratchDatabase('retell_query'),
};
const lifecycle = new Lifecycle(scratches.member.log, 5_000);
let members: Database;
let roles: Database;
let queries: Database;
let told: Record<'member' | 'role' | 'query', Peer<StateServiceService>>;

test.before(async () => {
  members = await openMembers(scratches.member);
  roles = await openRoles(scratches.role);
  queries = await openReadModel(scratches.query);
  const serve = async ({ definition, handlers }: Served): Promise<Peer<StateServiceService>> => {
    const at = { listen: { host: '127.0.0.1', port: 0 }, callers: lettingTestsIn('any'), log: scratches.member.log, lifecycle };
    const port = await serveGrpc(at, definition as StateServiceService, handlers as never);
    return connectPeer(`127.0.0.1:${port}`, StateServiceService, lifecycle, byTests('any'));
  };
  told = {
    member: await serve(memberState(members)),
    role: await serve(roleState(roles)),
    query: await serve(copiesState(queries)),
  };
});
test.after.always(async () => {
  await lifecycle.stop('tested');
  for (const scratch of Object.values(scratches)) await scratch.drop();
});
test.beforeEach(async () => {
  for (const db of [members, roles]) await db.query(sql`delete from outbox`);
  await members.query(sql`delete from members`);
  await queries.query(sql`delete from members`);
});

/** As Kafka has them. */
const published: OutboxRecord[] = [];
const arrive = (events: OutboxRecord[]): Promise<unknown> =>
  project(
    queries,
    events.map((event) => {
      const { key, value, headers } = toWire(event, 'test', '');
      const message = { offset: '0', key: Buffer.from(key), value: value === null ? null : Buffer.from(value), headers };
      return fromWire(`${event.aggregateType}.events`, 0, message);
    }),
  );
const publisher: Pick<Publisher, 'publish'> = {
  publish: async (events) => {
    published.push(...events);
    await arrive(events);
    return [];
  },
};

const member = (more: Partial<Retell> = {}): Retell => ({
  aggregateType: 'member',
  state: told.member,
  copies: told.query,
  publisher,
  insist: (_, work) => work(),
  ...more,
});

/** What the service's outbox would tell. */
async function relay(db: Database): Promise<void> {
  const rows = await db.query<Omit<OutboxRecord, 'time'> & { time: Date }>(sql`
    delete from outbox returning id::text, aggregatetype as "aggregateType", aggregateid as "aggregateId", version, type, payload,
      traceparent, created_at as time`);
  await arrive(rows);
}

const insert = (ids: string[], version = 1, name = 'n'): Promise<unknown> =>
  members.query(sql`insert into members (member_id, login_id, display_name, email, status, version, created_at, updated_at)
    select id, 'login', ${name}, 'a@example.com', 'ACTIVE', ${version}, now(), now() from unnest(${ids}::text[]) as id`);

const shown = async (): Promise<Record<string, string>> => {
  const rows = await queries.query<{ id: string; shown: string }>(
    sql`select id, version || ' ' || display_name as shown from members where visible`,
  );
  return Object.fromEntries(rows.map(({ id, shown }) => [id, shown]));
};

test.serial(
  'a read model that has nothing is made of what is told, page by page; to tell it again changes nothing',
  async (t) => {
    const ids = Array.from({ length: 2 * PAGE + 7 }, () => randomUUID());
    await insert(ids, 3);
    t.deepEqual(await retell(member()), { told: ids.length, older: 0, raised: 0, removed: 0 });
    const all = await shown();
    t.deepEqual(Object.keys(all).sort(), ids.sort());
    t.deepEqual(new Set(Object.values(all)), new Set(['3 n']));
    t.deepEqual(await retell(member()), { told: ids.length, older: 0, raised: 0, removed: 0 });
    t.deepEqual(await shown(), all);
    const [one = ''] = ids;
    t.deepEqual(await retell(member({ aggregate: one })), { told: 1, older: 0, raised: 0, removed: 0 });
  },
);

test.serial('what is changed while it is told is told again: the last of a key is the newest', async (t) => {
  const [a, b] = [randomUUID(), randomUUID()];
  await insert([a, b]);
  published.length = 0;
  let changes = 2;
  const slow: typeof publisher = {
    publish: async (events) => {
      if (changes-- > 0) await members.query(sql`update members set version = version + 1 where member_id = ${a}`);
      return publisher.publish(events);
    },
  };
  await retell(member({ publisher: slow }));
  const versions = published.filter(({ aggregateId }) => aggregateId === a).map(({ version }) => version);
  t.deepEqual(versions, [1, 2, 3]);
  t.is(published.filter(({ aggregateId }) => aggregateId === b).length, 1);
});

test.serial('an older read model is brought up to date: changed, new and deleted members', async (t) => {
  const [changed, deleted, created] = [randomUUID(), randomUUID(), randomUUID()];
  await insert([changed, deleted]);
  await retell(member());
  await members.query(sql`update members set version = 4, display_name = 'new' where member_id = ${changed}`);
  await members.query(sql`delete from members where member_id = ${deleted}`);
  await insert([created]);
  t.deepEqual(await retell(member()), { told: 2, older: 0, raised: 0, removed: 1 });
  await relay(members);
  t.deepEqual(await shown(), { [changed]: '4 new', [created]: '1 n' });
  t.deepEqual(await retell(member()), { told: 2, older: 0, raised: 0, removed: 0 });
});

test.serial('a service that has nothing at all does not empty the read model', async (t) => {
  await insert([randomUUID()]);
  await retell(member());
  await members.query(sql`delete from members`);
  await t.throwsAsync(retell(member()), { message: /restore the service's database first/ });
  await relay(members);
  t.is(Object.keys(await shown()).length, 1);
});

test.serial('a restored store is older than its readers: that is said, and then they show what it has', async (t) => {
  const [older, same, gone, back] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  await insert([older, same, gone, back], 5, 'read');
  await retell(member());
  await members.query(sql`delete from members where member_id = ${back}`);
  await retell(member());
  await relay(members);
  await members.query(sql`delete from members`);
  await insert([older, back], 2, 'restored');
  await insert([same], 5, 'restored');
  const found = await retell(member());
  t.is(found.older, 2);
  await relay(members);
  t.deepEqual(await shown(), { [older]: '5 read', [same]: '5 read' });
  t.deepEqual(await retell(member({ afterRestore: true })), { told: 3, older: 0, raised: 3, removed: 0 });
  await relay(members);
  t.deepEqual(await shown(), { [older]: '6 restored', [same]: '6 restored', [back]: '7 restored' });
  t.is((await retell(member())).older, 0);
});

/** A service after each of whose answers, which say of which aggregates they are, something happens. */
const thereafter = (
  peer: Peer<StateServiceService>,
  happens: (ids: readonly string[]) => Promise<void>,
): Peer<StateServiceService> => ({
  ...peer,
  async *tellState(request, options) {
    yield* peer.tellState(request, options);
    await happens(request.ids);
  },
});

test.serial('what is changed while it is compared is not taken for newer than the service has it', async (t) => {
  const id = randomUUID();
  await insert([id]);
  let reads = 0;
  const change = async (ids: readonly string[]): Promise<void> => {
    // The first such read looks whether it was changed while it was published.
    if (!ids.includes(id) || ++reads !== 2) return;
    for (const [db, key] of [
      [members, sql`member_id`],
      [queries, sql`id`],
    ] as const)
      await db.query(sql`update members set version = version + 1 where ${key} = ${id}`);
  };
  const state = thereafter(told.member, change);
  t.is((await retell(member({ state, copies: thereafter(told.query, change) }))).older, 0);
  t.deepEqual(await shown(), { [id]: '2 n' });
});

test.serial('what its reader has seen before the service shows it is not gone', async (t) => {
  const [other, id] = [randomUUID(), randomUUID()];
  await insert([other, id]);
  await retell(member());
  await members.query(sql`delete from members where member_id = ${id}`);
  let isSeen = false;
  const state = thereafter(told.member, async (ids) => {
    if (isSeen || !ids.includes(id)) return;
    isSeen = true;
    await insert([id]);
  });
  t.is((await retell(member({ state }))).removed, 0);
  await relay(members);
  t.deepEqual(await shown(), { [other]: '1 n', [id]: '1 n' });
});

test.serial('roles: what members hold is told, raised and taken away', async (t) => {
  await roles.query(sql`insert into roles (role_id, name, description, built_in, definition_hash, version, created_at, updated_at)
    values ('admin', 'a', '', true, 'h', 1, now(), now())`);
  const [holds, held, lost] = [randomUUID(), randomUUID(), randomUUID()];
  await roles.query(sql`insert into member_role_versions select unnest(${[holds, held, lost]}::text[]), 3`);
  await roles.query(sql`insert into member_roles select unnest(${[holds, lost]}::text[]), 'admin'`);
  const options = member({ aggregateType: 'member-roles', state: told.role });
  const held3 = async () =>
    Object.fromEntries(
      (
        await queries.query<{ id: string; roles: string }>(
          sql`select id, version || ' ' || coalesce(role_ids, '{}')::text as roles from member_roles`,
        )
      ).map(({ id, roles: is }) => [id, is]),
    );
  t.is((await retell(options)).told, 3);
  t.deepEqual(await held3(), { [holds]: '3 {admin}', [held]: '3 {}', [lost]: '3 {admin}' });
  await roles.query(sql`delete from member_roles where member_id in (${holds}, ${lost})`);
  await roles.query(sql`delete from member_role_versions where member_id = ${lost}`);
  await roles.query(sql`update member_role_versions set version = 2 where member_id = ${holds}`);
  t.deepEqual(await retell(options), { told: 2, older: 1, raised: 0, removed: 1 });
  t.is((await retell({ ...options, afterRestore: true })).raised, 3);
  await relay(roles);
  t.deepEqual(await held3(), { [holds]: '4 {}', [held]: '4 {}', [lost]: '5 {}' });
});

test.serial("what is not the service's is refused", async (t) => {
  await t.throwsAsync(retell(member({ aggregateType: 'job' })), { instanceOf: MusubiError, code: 'INVALID_ARGUMENT' });
});

test.serial('so is more than may be asked for at once', async (t) => {
  const aggregateType = 'member';
  const ids = Array.from({ length: 1_000 }, () => randomUUID());
  const tell = (ids: string[]) => Array.fromAsync(told.member.tellState({ aggregateType, afterId: '', limit: 0, ids }));
  const raise = (ids: string[]) =>
    told.member.raiseVersions({ aggregateType, seen: ids.map((id) => ({ type: aggregateType, id, version: 1 })) });
  await t.notThrowsAsync(tell(ids));
  for (const asked of [tell([...ids, 'x']), raise([...ids, 'x'])])
    await t.throwsAsync(asked, { instanceOf: MusubiError, code: 'INVALID_ARGUMENT' });
});
