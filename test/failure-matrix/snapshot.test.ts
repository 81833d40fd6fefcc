import test from 'ava';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import pg from 'pg';
import { partitionNumberOf, partitionsOf } from '../../platform/redis/partitions.ts';
import { newId } from '../../platform/validation/id.ts';
import { OUTBOXES } from '../../services/catalogue.ts';
import { address } from '../client.ts';
import { databaseUrl } from '../evidence.ts';
import { shape } from './shape.ts';
import { MEMORY, Stores } from './snapshot.ts';

// A matrix that finds no leak proves something only if its snapshot would see one, in every store.

const stores = await Stores.open();
const mongo = new MongoClient(address('MUSUBI_MONGODB_URL'));
const redis = new Redis(address('MUSUBI_REDIS_URL'));
test.after.always(() => Promise.all([stores.close(), mongo.close(), redis.quit()]));

async function execute(database: string, statement: string, ...values: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl(database) });
  await client.connect();
  try {
    await client.query(statement, values);
  } finally {
    await client.end();
  }
}

const inTable = (database: string, insert: string, table: string, key = 'member_id') => ({
  plant: (id: string) => execute(database, insert, id),
  remove: (id: string) => execute(database, `delete from ${table} where ${key} = $1`, id),
});
const chat = partitionsOf('chat');
/** In the partition of its ID. */
const chatKey = (id: string, name: string): string => chat[partitionNumberOf(id)]?.key(name) ?? '';
const held = () => mongo.db('musubi_auth').collection<{ _id: string; heldAt: Date }>('held_logins');

/** What a saga could leave behind, by its name in a snapshot. */
const STRAYS: Record<string, { plant(id: string): Promise<unknown>; remove(id: string): Promise<unknown> }[]> = {
  'musubi_member.members': [
    inTable(
      'musubi_member',
      `insert into members (member_id, login_id, display_name, email, status, version, created_at, updated_at)
       values ($1, '', '', '', 'ACTIVE', 1, now(), now())`,
      'members',
    ),
  ],
  'musubi_role.member_roles': [
    inTable('musubi_role', `insert into member_roles (member_id, role_id) values ($1, 'member')`, 'member_roles'),
  ],
  'musubi_query.members': [
    inTable('musubi_query', `insert into members (id, version, visible) values ($1, 1, false)`, 'members', 'id'),
  ],
  'musubi_auth.held_logins': [
    {
      // An Auth that begins gives another name to what has no date: it holds it for what an older release has written.
      plant: (id) => held().insertOne({ _id: id, heldAt: new Date() }),
      remove: (id) => held().deleteOne({ _id: id }),
    },
  ],
  'redis.ws:sockets': [
    { plant: (id) => redis.hset(`ws:sockets:${id}`, 'socket', 'instance'), remove: (id) => redis.del(`ws:sockets:${id}`) },
  ],
  'redis.{chat:': [
    ...['room:*', 'room:*:members', 'room:*:read'].map((name) => ({
      plant: (id: string) => redis.hset(chatKey(id, name.replace('*', id)), 'field', 'value'),
      remove: (id: string) => redis.del(chatKey(id, name.replace('*', id))),
    })),
    { plant: (id) => redis.zadd(chatKey(id, 'rooms'), 0, id), remove: (id) => redis.zrem(chatKey(id, 'rooms'), id) },
    {
      plant: (id) => redis.sadd(chat.at(-1)?.key(`rooms-of:${id}`) ?? '', 'a room'),
      remove: (id) => redis.del(chat.at(-1)?.key(`rooms-of:${id}`) ?? ''),
    },
  ],
};

for (const [name, kinds] of Object.entries(STRAYS)) {
  test.serial(`${name}: what is left there is seen`, async (t) => {
    for (const { plant, remove } of kinds) {
      const id = newId();
      t.deepEqual(await stores.snapshot([id]), []);
      await plant(id);
      try {
        const [found = '', ...more] = await stores.snapshot([id]);
        t.true(found.startsWith(name) && found.toLowerCase().includes(id), found);
        t.deepEqual(more, []);
        t.deepEqual(await stores.overlooked([id]), []);
      } finally {
        await remove(id);
      }
    }
  });
}

const key = (plant: (key: string, id: string) => Promise<unknown>) => ({
  plant: (id: string) => plant('test:stray', id),
  remove: () => redis.del('test:stray'),
});
const notes = () => mongo.db('musubi_auth').collection('test_notes');

/** What a saga could leave where no index leads, each in a place of its own. */
const UNKNOWN: Record<string, { plant(id: string): Promise<unknown>; remove(id: string): Promise<unknown> }> = {
  'a new table': {
    plant: (id) => execute('musubi_member', `create table test_strays as select 'of ${id}' as note`),
    remove: () => execute('musubi_member', 'drop table test_strays'),
  },
  'a column without an index': {
    plant: (id) => execute('musubi_role', `insert into policies values ('test-stray', $1, '', false)`, `of ${id}`),
    remove: () => execute('musubi_role', `delete from policies where policy_id = 'test-stray'`),
  },
  'a new collection': { plant: (id) => notes().insertOne({ of: { member: id } }), remove: () => notes().drop() },
  'a key that is named after it': {
    plant: (id) => redis.set(`test:${id}`, ''),
    remove: (id) => redis.del(`test:${id}`),
  },
  'a string': key((at, id) => redis.set(at, id.toUpperCase())),
  'a hash': key((at, id) => redis.hset(at, 'field', id)),
  'a list': key((at, id) => redis.rpush(at, 'another', id)),
  'a set': key((at, id) => redis.sadd(at, id)),
  'a sorted set': key((at, id) => redis.zadd(at, 1, id)),
  'a stream': key((at, id) => redis.xadd(at, '*', 'field', id)),
};

for (const [where, { plant, remove }] of Object.entries(UNKNOWN)) {
  test.serial(`what is left in ${where} is found in the end`, async (t) => {
    const id = newId();
    await plant(id);
    try {
      t.deepEqual(await stores.snapshot([id]), []);
      const found = await stores.overlooked([id, newId()]);
      t.is(found.length, 1);
      t.true(found[0]?.toLowerCase().includes(id));
    } finally {
      await remove(id);
    }
    t.deepEqual(await stores.overlooked([id]), []);
  });
}

test('every service of the catalogue that keeps something has its store looked into', async (t) => {
  const names = await stores.names();
  for (const { name, kind, place } of OUTBOXES) {
    // Of partitions what all of them have in common.
    const begin = kind === 'redis' ? `redis.${place.split('*')[0]}` : `${place}.`;
    t.true(
      names.some((found) => found.startsWith(begin)),
      name,
    );
  }
  t.true(names.some((found) => found.startsWith('musubi_query.')));
});

test('every store that is ignored in part is really there', async (t) => {
  const names = await stores.names();
  t.deepEqual(
    MEMORY.filter((pattern) => !names.some((name) => pattern.test(name))),
    [],
    'nothing can be ignored of what there is not',
  );
});

test('two cases have one shape, in whichever order their IDs come; another content is another shape', (t) => {
  const [a, b] = ['0a000000-0000-4000-8000-000000000000', '0b000000-0000-4000-8000-000000000000'];
  const kept = (at: string, ...ids: string[]) => [`table ${JSON.stringify({ at, ids, held: ids.map((id) => ({ at, id })) })}`];
  const one = shape(kept('2026-01-01T00:00:00Z', a, b), { leader: a, other: b });
  t.deepEqual(one, shape(kept('2026-01-02T00:00:00Z', a, b), { leader: b, other: a }));
  t.notDeepEqual(one, shape(kept('2026-01-01T00:00:00Z', a), { leader: a, other: b }));
});

test('two rooms have one shape, in whichever partitions they are, and since when; who is in another one is another shape', (t) => {
  const [a, b] = ['0a000000-0000-4000-8000-000000000000', '0b000000-0000-4000-8000-000000000000'];
  const kept = (partition: string, now: number, ...members: string[]) => [
    `redis.{chat:${partition}}:room:x ${JSON.stringify({ createdAt: String(now), version: String(now * 1_000) })}`,
    `redis.{chat:${partition}}:room:x:members ${JSON.stringify(
      Object.fromEntries(members.map((id) => [id, JSON.stringify({ joinedAt: now, owner: id === a })])),
    )}`,
  ];
  const one = shape(kept('01', 1_795_824_471_333, a, b), { owner: a, other: b });
  t.deepEqual(one, shape(kept('15', 1_795_824_999_000, b, a), { owner: a, other: b }));
  t.notDeepEqual(one, shape(kept('01', 1_795_824_471_333, a, b), { owner: b, other: a }));
});
