import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { transaction } from '#platform/operations/mongo.ts';
import type { AuditFilter } from '#proto/musubi/auth/v1/auth.ts';
import { openTestAuth } from '../auth.fixture.ts';
import { authHandlers } from '../grpc.ts';
import { listAuditEvents } from './list-audit-events.ts';

const NOTHING: AuditFilter = { memberId: undefined, action: undefined, since: undefined, until: undefined };
const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 600_000) };

/** A store of its own, in which so many members do something to the next one, a second apart. */
async function busy(t: ExecutionContext, times: number) {
  let now = Date.parse('2026-11-26T08:00:00Z');
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => now });
  t.teardown(() => own.close());
  const ids = Array.from({ length: times + 1 }, () => randomUUID());
  for (let i = 0; i < times; i++) {
    const [actorId, to] = [ids[i] ?? '', ids[i + 1] ?? ''];
    const action = i % 2 === 0 ? 'member.update' : 'role.assign';
    await transaction(own.store.mongo, (session) =>
      own.audit.note(session, { action, actorId, resources: [{ type: 'Member', id: to }] }),
    );
    now += 1_000;
  }
  return { own, ids, at: (second: number) => new Date(Date.parse('2026-11-26T08:00:00Z') + second * 1_000) };
}

test('a list is by who did it or to whom, by action and by time, in pages that neither repeat nor leave out', async (t) => {
  const { own, ids, at } = await busy(t, 25);
  const pages = async (filter: Partial<AuditFilter>, pageSize: number): Promise<number[]> => {
    const found: number[] = [];
    let pageToken = '';
    do {
      const page = await listAuditEvents(own, { filter: { ...NOTHING, ...filter }, pageSize, pageToken });
      t.true(page.events.length > 0 && page.events.length <= pageSize);
      found.push(...page.events.map(({ sequence }) => sequence));
      ({ nextPageToken: pageToken } = page);
      // What happens meanwhile comes before what was read.
      if (found.length < 10)
        await transaction(own.store.mongo, (session) => own.audit.note(session, { action: 'member.read', resources: [] }));
    } while (pageToken !== '');
    return found;
  };
  const down = (from: number, to: number, step = 1): number[] =>
    Array.from({ length: Math.floor((from - to) / step) + 1 }, (_, index) => from - index * step);
  t.deepEqual(await pages({ until: at(25) }, 4), down(25, 1));
  t.deepEqual(await pages({ action: 'role.assign' }, 5), down(24, 2, 2));
  t.deepEqual(await pages({ memberId: ids[7] }, 1), [8, 7], 'what it did, and what was done to it');
  t.deepEqual(await pages({ memberId: ids[7], action: 'role.assign' }, 1), [8]);
  t.deepEqual(await pages({ since: at(3), until: at(6) }, 100), [6, 5, 4], 'from a time on, and before another');
  const filter = { ...NOTHING, memberId: randomUUID() };
  t.deepEqual(await listAuditEvents(own, { filter, pageSize: 0, pageToken: '' }), { events: [], nextPageToken: '' });
});

test('many events of one moment are in pages all the same', async (t) => {
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => 1_800_000_000_000 });
  t.teardown(() => own.close());
  for (let i = 0; i < 12; i++)
    await transaction(own.store.mongo, (session) => own.audit.note(session, { action: 'member.update', resources: [] }));
  const found: number[] = [];
  for (let pageToken = ''; ; ) {
    const page = await listAuditEvents(own, { filter: undefined, pageSize: 5, pageToken });
    found.push(...page.events.map(({ sequence }) => sequence));
    ({ nextPageToken: pageToken } = page);
    if (pageToken === '') break;
  }
  t.deepEqual(found, [12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
});

test('an export has the same, the oldest first, and is read as it is taken', async (t) => {
  const { own, ids } = await busy(t, 30);
  const { exportAuditEvents } = authHandlers(own, own.keys);
  const all = await Array.fromAsync(exportAuditEvents({ filter: undefined }, call));
  t.deepEqual(
    all.map(({ sequence }) => sequence),
    Array.from({ length: 30 }, (_, index) => index + 1),
  );
  const some = await Array.fromAsync(exportAuditEvents({ filter: { ...NOTHING, memberId: ids[3] } }, call));
  t.deepEqual(
    some.map(({ sequence }) => sequence),
    [3, 4],
  );
});

test('a filter or a page token that can be none is refused', async (t) => {
  const { own } = await busy(t, 0);
  const list = (filter: Partial<AuditFilter>, more: object = {}) =>
    listAuditEvents(own, { filter: { ...NOTHING, ...filter }, pageSize: 0, pageToken: '', ...more });
  await t.throwsAsync(list({ memberId: 'no ID' }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(list({ action: 'x'.repeat(101) }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(list({}, { pageSize: 101 }), { code: 'INVALID_ARGUMENT' });
  for (const pageToken of ['x', Buffer.from('1.x').toString('base64url'), Buffer.from('{"$ne":1}').toString('base64url')])
    await t.throwsAsync(list({}, { pageToken }), { code: 'PAGE_TOKEN_INVALID' });
});

test('a page token leads on in the list that it is of, and in no other', async (t) => {
  const { own } = await busy(t, 3);
  const list = (filter: Partial<AuditFilter>, pageToken = '') =>
    listAuditEvents(own, { filter: { ...NOTHING, ...filter }, pageSize: 1, pageToken });
  const since = new Date(0);
  const { nextPageToken } = await list({ since });
  t.is((await list({ since }, nextPageToken)).events.length, 1);
  for (const other of [{}, { since: new Date(1) }, { since, action: 'member.update' }])
    await t.throwsAsync(list(other, nextPageToken), { code: 'PAGE_TOKEN_INVALID' });
});

test('an export ends with what there was when it began, however slowly it is read', async (t) => {
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => own.close());
  const note = (count: number) =>
    transaction(own.store.mongo, async (session) => {
      for (let i = 0; i < count; i++) await own.audit.note(session, { action: 'member.update', resources: [] });
    });
  // More than one batch of the cursor.
  await note(450);
  let read = 0;
  for await (const _ of authHandlers(own, own.keys).exportAuditEvents({ filter: undefined }, call)) {
    if (++read === 1) await note(100).then(() => own.audit.work());
  }
  t.is(read, 450);
});
