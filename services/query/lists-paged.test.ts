import { randomUUID } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import type { Database } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { CREATED } from './events.fixture.ts';
import { groupEvent, positionEvent } from './group-events.fixture.ts';
import { KINDS, later, type Page, page, type Values } from './lists.fixture.ts';
import { project } from './projector.ts';
import { listGroups } from './queries/groups.ts';
import { listPositions } from './queries/positions.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL } from './seen.fixture.ts';
import { openStore } from './store.ts';

// Lists in every order, turned page by page while things come, change and go; and filtered.

const scratch = scratchDatabase('lists_paged');
const { turns } = newSearches();
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const values = fc.record({
  name: fc.constantFrom('A', 'a', 'b', 'Ä', '部', 'z'),
  created: fc.nat(3),
  updated: fc.nat(3),
});
/** What happens between two pages: something comes, or one of those that are there changes or goes. */
const change = fc.record({ values: fc.option(values), at: fc.nat(), isNew: fc.boolean() });
const story = fc.record({
  first: fc.array(values, { minLength: 3, maxLength: 12 }),
  between: fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 6 }),
  pageSize: fc.integer({ min: 1, max: 4 }),
});

for (const [kind, { orders, events, read }] of Object.entries(KINDS))
  for (const orderBy of orders.length > 0 ? orders.flatMap((by) => [by, `${by} desc`]) : [''])
    test(`${kind} by ${orderBy || 'themselves'}: what is there all along, as it is, is shown once, whatever comes, changes and goes`, async (t) => {
      await fc.assert(
        fc.asyncProperty(story, async ({ first, between, pageSize }) => {
          const groupId = randomUUID();
          const known: { id: string; version: number }[] = [];
          const [touched, untouched] = [new Set<string>(), new Set<string>()];
          const put = async (all: (Values | null)[]) => {
            for (const one of all) {
              const id = randomUUID();
              known.push({ id, version: 1 });
              await project(db, events(groupId, id, 1, one ?? { name: 'new', created: 1, updated: 1 }));
            }
          };
          await project(db, [groupEvent(groupId, 1, {})]);
          await put(first);
          for (const { id } of known) untouched.add(id);
          const shown: string[] = [];
          let pageToken = '';
          for (let turn = 0; ; turn++) {
            const { ids, nextPageToken } = await read(db, groupId, { ...page, pageSize, pageToken, orderBy });
            shown.push(...ids);
            pageToken = nextPageToken;
            if (pageToken === '') break;
            for (const { values, at, isNew } of between[turn] ?? []) {
              if (isNew) await put([values]);
              else {
                const one = known[at % known.length] as (typeof known)[number];
                one.version++;
                touched.add(one.id);
                await project(db, events(groupId, one.id, one.version, values ?? undefined));
              }
            }
          }
          const whole = (await read(db, groupId, { ...page, pageSize: 100, orderBy })).ids;
          const stayed = (ids: readonly string[]) => ids.filter((id) => untouched.has(id) && !touched.has(id));
          t.deepEqual(stayed(shown), stayed(whole), 'in order');
          t.is(stayed(shown).length, [...untouched].filter((id) => !touched.has(id)).length);
          const untold = shown.filter((id) => !touched.has(id));
          t.is(new Set(untold).size, untold.length, 'and nothing twice that did not change');
        }),
        { numRuns: 10 },
      );
    });

test('groups and positions are filtered by what they are', async (t) => {
  const groupId = randomUUID();
  const ids = Array.from({ length: 4 }, () => randomUUID()) as [string, string, string, string];
  await project(db, [
    groupEvent(groupId, 1, {}),
    groupEvent(ids[0], 1, { parentId: groupId, name: 'one', createdAt: later(1), updatedAt: later(5) }),
    groupEvent(ids[1], 1, { parentId: groupId, name: 'two', createdAt: later(2), visibility: 'VISIBILITY_REQUEST' }),
    groupEvent(ids[2], 1, { parentId: groupId, name: 'three', createdAt: later(3), archivedAt: CREATED }),
    groupEvent(ids[3], 1, { parentId: ids[2], name: 'two', createdAt: later(4) }),
    positionEvent(ids[0], 1, { groupId, name: 'one', kind: 'POSITION_KIND_LEADER' }),
    positionEvent(ids[1], 1, { groupId, name: 'two', kind: 'POSITION_KIND_MEMBER' }),
    positionEvent(ids[2], 1, { groupId, name: 'three' }),
  ]);
  const time = (ms: number): string => later(ms).toISOString();
  const below = async (filter: string): Promise<string> => {
    const { groups } = await listSubgroups(
      { db, turns },
      { memberId: 'm', groupId, depth: 9, tag: '', seen: ALL, ...page, filter, orderBy: 'createdAt' },
    );
    return groups.map((one) => ids.indexOf(one.groupId)).join('');
  };
  t.is(await below('visibility = "request"'), '1');
  t.is(await below('visibility != "request"'), '023');
  t.is(await below('archived = true'), '2');
  t.is(await below('archived = false AND name = "two"'), '13', 'also below what is not shown');
  t.is(await below(`createdAt > ${time(1)} AND createdAt <= "${time(3)}"`), '12');
  t.is(await below(`updatedAt >= "${time(5)}"`), '0');
  t.is(await below('name < "three" AND name >= "one"'), '0');
  t.is(await below(`name = "' or true --"`), '');
  const positions = async (filter: string) =>
    (await listPositions(db, { groupId, seen: ALL, ...page, filter })).positions.map(({ name }) => name).join(' ');
  t.is(await positions('kind = leader'), 'one');
  t.is(await positions('kind != "leader"'), 'three two');
  t.is(await positions('kind = custom'), 'three');
});

test('a page token is good for its order and filter only; words have an order of their own', async (t) => {
  const groupId = randomUUID();
  await project(db, [groupEvent(groupId, 1, {})]);
  await project(
    db,
    ['x', 'y', 'z'].map((name) => groupEvent(randomUUID(), 1, { parentId: groupId, name })),
  );
  const ask = (given: Partial<Page> & { query?: string }) =>
    listGroups(
      { db, searches: newSearches() },
      { query: '', memberId: 'm', tag: '', seen: ALL, ofMemberId: '', membersSeen: undefined, ...page, ...given },
    );
  const one = { pageSize: 1, orderBy: 'createdAt', filter: 'archived = false' };
  const { nextPageToken: pageToken } = await ask(one);
  t.is((await ask({ ...one, filter: 'archived   = "false"', pageToken })).groups.length, 1, 'the same, written in another way');
  for (const other of [{ orderBy: 'createdAt desc' }, { orderBy: '' }, { filter: '' }, { filter: 'archived = true' }])
    await t.throwsAsync(ask({ ...one, ...other, pageToken }), { code: 'PAGE_TOKEN_INVALID' });
  const { nextPageToken: byName } = await ask({ pageSize: 1 });
  await t.throwsAsync(ask({ ...one, pageToken: byName }), { code: 'PAGE_TOKEN_INVALID' });
  await t.throwsAsync(ask({ orderBy: 'name', query: 'x' }), { code: 'INVALID_ARGUMENT', message: /./ });
  await t.throwsAsync(ask({ orderBy: 'parentId' }), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(ask({ filter: 'parentId = root' }), { code: 'INVALID_ARGUMENT' });
  const found = await ask({ query: 'x', filter: 'archived = true' });
  t.deepEqual(found.groups, []);
});
