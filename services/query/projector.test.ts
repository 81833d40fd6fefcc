import { randomUUID } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import { z } from 'zod';
import type { EventMessage } from '#platform/kafka/event-message.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { eventMessage, memberEvent, memberRolesEvent } from './events.fixture.ts';
import { defineProjection } from './projections/projection.ts';
import { project } from './projector.ts';
import { shownMember } from './seen.fixture.ts';
import { openStore } from './store.ts';

/** Of the store: more batches at once would only queue for them, which has a time limit. */
const CONNECTIONS = 8;
const scratch = scratchDatabase('projector');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

/** A member's or its roles' state at one version. */
type State =
  | { version: number; state: { displayName: string; status: 'PENDING' | 'ACTIVE' | 'DELETING' } | undefined }
  | { version: number; roleIds: string[] };

const states = fc.oneof(
  fc.record({
    version: fc.integer({ min: 1, max: 12 }),
    state: fc.option(fc.record({ displayName: fc.constant(''), status: fc.constantFrom('PENDING', 'ACTIVE', 'DELETING') }), {
      nil: undefined,
    }),
  }),
  fc.record({ version: fc.integer({ min: 1, max: 12 }), roleIds: fc.subarray(['admin', 'editor', 'member']) }),
);

/** What was written of a version is what every event of that version says. */
function historyOf(memberId: string, drawn: readonly State[]): EventMessage[] {
  const known = new Map<string, EventMessage>();
  for (const item of drawn) {
    const roles = 'roleIds' in item;
    const key = `${roles} ${item.version}`;
    if (known.has(key)) continue;
    const name = `v${item.version}`;
    known.set(
      key,
      roles
        ? memberRolesEvent(memberId, item.version, item.roleIds)
        : memberEvent(memberId, item.version, item.state && { ...item.state, displayName: name }),
    );
  }
  return [...known.values()];
}

/** The read model that follows from the newest states alone. */
function expected(events: readonly EventMessage[]) {
  const newest = (topic: string) => events.filter((event) => event.topic === topic).sort((a, b) => b.version - a.version)[0];
  const member = newest('member.events');
  const data = member?.data as { member?: { displayName: string; status: string } } | undefined;
  if (!member || !data?.member || data.member.status === 'MEMBER_STATUS_PENDING') return undefined;
  const roles = newest('member-roles.events')?.data as { roleIds?: string[] } | undefined;
  return { displayName: data.member.displayName, version: member.version, roleIds: [...(roles?.roleIds ?? [])].sort() };
}

test('whatever the order, the repeats and the batches, the read model is that of the newest states', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(states, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 4 }),
      fc.infiniteStream(fc.nat()),
      fc.boolean(),
      async (drawn, random, concurrent) => {
        const histories = drawn
          .map((items) => ({ memberId: randomUUID(), items }))
          .map(({ memberId, items }) => ({ memberId, events: historyOf(memberId, items) }));
        const next = (below: number): number => (random.next().value as number) % below;
        // Every event at least once, some more often, all mixed.
        const all = histories.flatMap(({ events }) =>
          events.flatMap((event) => Array.from({ length: 1 + next(3) }, () => event)),
        );
        for (let at = all.length - 1; at > 0; at--) {
          const other = next(at + 1);
          [all[at], all[other]] = [all[other] as EventMessage, all[at] as EventMessage];
        }
        const batches: EventMessage[][] = [];
        while (all.length > 0) batches.push(all.splice(0, 1 + next(6)));
        const turns = Array.from({ length: concurrent ? CONNECTIONS : 1 }, async () => {
          for (let batch = batches.shift(); batch; batch = batches.shift()) await project(db, batch);
        });
        await Promise.all(turns);
        for (const { memberId, events } of histories) {
          const found = await shownMember(db, memberId);
          t.deepEqual(
            found && { displayName: found.displayName, version: found.version, roleIds: found.roleIds },
            expected(events),
          );
        }
      },
    ),
    { numRuns: 150 },
  );
});

test('a member is shown as its newest event tells', async (t) => {
  const memberId = randomUUID();
  await project(db, [memberEvent(memberId, 1, { status: 'PENDING' }), memberRolesEvent(memberId, 1, ['member', 'admin'])]);
  t.is(await shownMember(db, memberId), undefined);
  await project(db, [memberEvent(memberId, 2, { status: 'ACTIVE', displayName: '山田' })]);
  t.deepEqual(await shownMember(db, memberId), {
    memberId,
    locale: undefined,
    timeZone: undefined,
    attributes: {},
    loginId: 'alice',
    displayName: '山田',
    email: 'alice@example.com',
    roleIds: ['admin', 'member'],
    createdAt: new Date('2026-01-02T03:04:05.678Z'),
    updatedAt: new Date('2026-01-02T03:04:05.680Z'),
    version: 2,
    status: 'ACTIVE',
    suspendedAt: undefined,
    suspensionReason: undefined,
  });
  for (const status of ['UPDATING', 'DELETING'] as const) {
    await project(db, [memberEvent(memberId, status === 'UPDATING' ? 3 : 4, { status })]);
    t.like(await shownMember(db, memberId), { status: 'ACTIVE' }, status);
  }
  const suspendedAt = new Date('2026-02-03T04:05:06.789Z');
  await project(db, [memberEvent(memberId, 5, { status: 'SUSPENDED', suspendedAt, suspensionReason: 'on leave' })]);
  t.like(await shownMember(db, memberId), { status: 'SUSPENDED', suspendedAt, suspensionReason: 'on leave' });
  await project(db, [memberEvent(memberId, 6, {})]);
  t.like(await shownMember(db, memberId), { status: 'ACTIVE', suspendedAt: undefined, suspensionReason: undefined });
  await project(db, [memberEvent(memberId, 7, undefined)]);
  t.is(await shownMember(db, memberId), undefined);
  await project(db, [memberEvent(memberId, 6, {})]);
  t.is(await shownMember(db, memberId), undefined, 'a late old event does not revive it');
  await project(db, [memberEvent(memberId, 8, {})]);
  t.truthy(await shownMember(db, memberId), 'the undo of a deletion does');
});

test('an event that is not as agreed is refused for good, and nothing of its batch is done', async (t) => {
  const memberId = randomUUID();
  const good = memberEvent(memberId, 1, {});
  const data = good.data as { member: object };
  const bad = [
    eventMessage('member', 'x', memberId, 1, 'nothing'),
    eventMessage('member', 'x', memberId, 1, { memberId }),
    eventMessage('member', 'x', memberId, 1, { memberId, version: 2 }),
    eventMessage('member', 'x', memberId, 1, { memberId, version: 1.5 }),
    eventMessage('member', 'x', memberId, 1, { ...data, member: { ...data.member, createdAt: 'yesterday' } }),
    eventMessage('member', 'x', memberId, 1, { ...data, member: { ...data.member, displayName: 5 } }),
    eventMessage('member-roles', 'x', memberId, 1, { memberId, version: 1, roleIds: [1] }),
    eventMessage('member-roles', 'x', memberId, 1, { memberId, version: 1, roleIds: 'admin' }),
  ];
  for (const event of bad) {
    t.like(
      await t.throwsAsync(project(db, [good, event])),
      { name: 'PoisonError', code: 'INVALID_EVENT', retryable: false },
      JSON.stringify(event.data),
    );
    t.is(await shownMember(db, memberId), undefined);
  }
  await project(db, [{ ...good, data: { ...data, version: '1', newerField: true } }]);
  t.truthy(await shownMember(db, memberId), 'int64 as text is proto3 JSON too, and new fields are for newer readers');
  const newer = { ...data.member, status: 'MEMBER_STATUS_OF_A_NEWER_RELEASE' };
  await project(db, [eventMessage('member', 'x', memberId, 2, { ...data, version: 2, member: newer })]);
  t.is((await shownMember(db, memberId))?.version, 2, 'a status that this release has no word for is of a member that is there');
});

test('a read model of any kind of aggregates is a table and a row, whatever its events call what they are of', async (t) => {
  await db.query(
    sql`create table things (id text primary key, version bigint not null, gone_at timestamptz, name text, tags text[])`,
  );
  const things = defineProjection({
    aggregateType: 'thing',
    table: 'things',
    payload: { thing: z.object({ name: z.string(), tags: z.array(z.string()) }).optional() },
    columns: { name: 'text', tags: 'text[]' },
    row: ({ thing }) => thing,
  });
  const event = (id: string, version: number, thing?: { name: string; tags: string[] }) =>
    eventMessage('thing', thing ? 'updated' : 'deleted', id, version, { version, thing });
  await db.query(things.statement([event('a', 1, { name: 'one', tags: [] }), event('b', 1, { name: 'two', tags: ['x'] })]));
  await db.query(things.statement([event('a', 3), event('b', 2, { name: 'three', tags: ['x', 'y'] }), event('a', 2)]));
  const copies = await db.query(things.copies({ after: '', limit: 10 }));
  t.deepEqual(copies, [
    { id: 'a', version: 3, gone: true },
    { id: 'b', version: 2, gone: false },
  ]);
  t.deepEqual(await db.query(sql`select name, tags from things where id = 'b'`), [{ name: 'three', tags: ['x', 'y'] }]);
  await db.query(things.prune('0 s'));
  t.deepEqual(await db.query(sql`select id from things`), [{ id: 'b' }]);
});
