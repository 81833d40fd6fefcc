import { randomUUID } from 'node:crypto';
import test from 'ava';
import { Turns } from '#platform/concurrency/turns.ts';
import type { Database } from '#platform/postgres/database.ts';
import { DEEPEST } from '#platform/validation/group-fields.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { groupEvent } from './group-events.fixture.ts';
import { looksBelow } from './group-store.ts';
import { project } from './projector.ts';
import { listAncestors, listGroups } from './queries/groups.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL, below } from './seen.fixture.ts';
import { openStore } from './store.ts';

// Groups as deep within each other as they can be: each is found from each.

const scratch = scratchDatabase('query_deep');
let db: Database;
/** The topmost first, which is in the whole organisation. */
const chain = Array.from({ length: DEEPEST - 1 }, () => randomUUID());
test.before(async () => {
  db = await openStore(scratch);
  const parentOf = (at: number): string => chain[at - 1] ?? 'root';
  const deep = chain.map((id, at) => groupEvent(id, 1, { name: `at ${at + 1}`, parentId: parentOf(at) }));
  await project(db, [groupEvent('root', 1, { parentId: undefined, name: 'All' }), ...deep]);
});
test.after.always(() => scratch.drop());

const idsOf = (groups: { groupId: string }[]): string[] => groups.map(({ groupId }) => groupId);
const page = { filter: '', orderBy: '', tag: '', memberId: 'm', pageToken: '', seen: ALL };

test('the deepest has all above it, in their order', async (t) => {
  const { groups } = await listAncestors(
    { db, searches: newSearches() },
    { groupId: chain.at(-1) ?? '', memberId: 'm', seen: ALL },
  );
  t.deepEqual(idsOf(groups), ['root', ...chain.slice(0, -1)]);
});

test('all of them are below the whole organisation, each as deep as it is', async (t) => {
  const asked = { ...page, groupId: 'root', depth: DEEPEST, pageSize: 1_000 };
  const { groups } = await listSubgroups({ db, turns: new Turns(1) }, asked);
  t.deepEqual(idsOf(groups), chain);
});

test('who sees what is below the topmost sees the deepest', async (t) => {
  const asked = { ...page, query: 'at 99', pageSize: 1, ofMemberId: '', membersSeen: ALL, seen: below(chain[0] ?? '') };
  const { groups } = await listGroups({ db, searches: newSearches() }, asked);
  t.deepEqual(idsOf(groups), [chain.at(-1)]);
});

test('what looks for all below some groups is told apart: it may be most that there is', (t) => {
  const [of, root] = [below(chain[0] ?? ''), below('root')];
  const not = (value: Condition): Condition => ({ kind: { $case: 'not', value } });
  const allOf = (...conditions: Condition[]): Condition => ({ kind: { $case: 'allOf', value: { conditions } } });
  const anyOf = (...conditions: Condition[]): Condition => ({ kind: { $case: 'anyOf', value: { conditions } } });
  for (const condition of [of, not(of), allOf(ALL, of), anyOf(root, not(anyOf(ALL, of)))]) t.true(looksBelow(condition));
  for (const condition of [undefined, ALL, root, not(root), allOf(ALL, root), anyOf()]) t.false(looksBelow(condition));
});
