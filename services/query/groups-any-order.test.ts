import { randomUUID } from 'node:crypto';
import test from 'ava';
import fc from 'fast-check';
import type { Database } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { mixed, newest } from './any-order.fixture.ts';
import { memberEvent } from './events.fixture.ts';
import { bindingsEvent, groupEvent, membershipEvent, positionEvent } from './group-events.fixture.ts';
import { project } from './projector.ts';
import { listGroupMembers } from './queries/group-members.ts';
import { getGroup, listAncestors } from './queries/groups.ts';
import { listPositions } from './queries/positions.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { ALL, below, FINDABLE, NOTHING, only } from './seen.fixture.ts';
import { openStore } from './store.ts';

// Whatever comes when, and however often: what is read of groups is what a few lines make of the newest states.

const scratch = scratchDatabase('groups_any_order');
const searches = newSearches();
const { turns } = searches;
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const SIZE = 5;
const at = fc.nat(SIZE - 1);
const version = fc.integer({ min: 1, max: 5 });
const tags = fc.subarray(['a', 'b']);
/** Places in each other, in any way: also in a circle, and in what is not there. */
const group = fc.record({
  version,
  at,
  state: fc.option(fc.record({ parent: fc.option(at), hidden: fc.boolean(), set: tags, carries: tags })),
});
const membership = fc.record({ version, at, member: at, isMember: fc.boolean(), carries: tags });
const bound = fc.record({ version, at, member: at, positions: fc.subarray([0, 1, 2]) });
const position = fc.record({ version, at, there: fc.boolean() });
const histories = fc.record({
  groups: fc.array(group, { minLength: 5, maxLength: 20 }),
  memberships: fc.array(membership, { maxLength: 12 }),
  bindings: fc.array(bound, { maxLength: 8 }),
  positions: fc.array(position, { maxLength: 8 }),
});

test('what is read of groups follows from the newest states alone, in any order, with repeats and without old events', async (t) => {
  const found = { below: 0, above: 0, members: 0, hidden: 0, carried: 0 };
  await fc.assert(
    fc.asyncProperty(histories, fc.infiniteStream(fc.nat()), fc.boolean(), async (drawn, random, isWhole) => {
      const next = (below: number): number => (random.next().value as number) % below;
      const ids = Array.from({ length: SIZE }, () => randomUUID()).sort();
      const members = Array.from({ length: SIZE }, () => randomUUID()).sort();
      const id = (index: number): string => ids[index] ?? '';
      const tagId = (index: number, name: string): string => `${id(index)}.${name}`;
      const groups = newest(drawn.groups, (s) => s.at);
      const memberships = newest(drawn.memberships, (s) => [s.at, s.member]);
      const bindings = newest(drawn.bindings, (s) => [s.at, s.member]);
      const positions = newest(drawn.positions, (s) => s.at);
      const of = <S>({ written, last }: { written: S[]; last: S[] }) => (isWhole ? written : last);
      const events = [
        ...of(groups).map(({ at, version, state }) =>
          groupEvent(
            id(at),
            version,
            state
              ? {
                  name: 'same',
                  parentId: state.parent === null ? undefined : id(state.parent),
                  tags: state.set.map((name) => ({ name, ids: [tagId(at, name)] })),
                  tagIds: state.carries.map((name) => tagId(state.parent ?? 0, name)),
                  visibility: state.hidden ? 'VISIBILITY_INVITATION' : 'VISIBILITY_OPEN',
                }
              : undefined,
          ),
        ),
        ...of(memberships).map((s) =>
          membershipEvent(
            id(s.at),
            members[s.member] ?? '',
            s.version,
            s.isMember,
            s.carries.map((name) => tagId(s.at, name)),
          ),
        ),
        ...of(bindings).map((s) => bindingsEvent(id(s.at), members[s.member] ?? '', s.version, s.positions.map(String))),
        ...of(positions).map((s) => positionEvent(id(s.at), s.version, s.there ? { groupId: id(s.at) } : undefined)),
        ...members.map((memberId) => memberEvent(memberId, 1, { displayName: 'same' })),
      ];
      for (const batch of mixed(events, next)) await project(db, batch);

      const there = new Map(groups.last.flatMap(({ at, state }) => (state ? [[at, state] as const] : [])));
      const above = (index: number): number[] => {
        const path: number[] = [];
        for (let up = there.get(index)?.parent; up != null && up !== index && !path.includes(up); up = there.get(up)?.parent) {
          path.push(up);
        }
        return path;
      };
      const isBelow = (index: number, top: number) => index !== top && above(index).includes(top);
      const all = [...there.keys()];
      const seeing: [Condition, (index: number) => boolean][] = [
        [ALL, () => true],
        [NOTHING, () => false],
        [FINDABLE, (index) => there.get(index)?.hidden === false],
        [only(id(0), id(1)), (index) => index < 2],
        [below(id(2)), (index) => index === 2 || isBelow(index, 2)],
      ];
      const idsOf = (indices: number[]) => indices.map(id).sort();
      for (const [seen, sees] of seeing) {
        for (const index of all) {
          const groupId = id(index);
          const page = { groupId, seen, pageSize: 0, pageToken: '', tag: '', filter: '', orderBy: '' };
          const one = await getGroup(
            { db, searches },
            { memberId: 'm', groupId, seen: ALL, seenGroups: seen, include: [], seenMembers: undefined },
          );
          const children = all.filter((child) => there.get(child)?.parent === index);
          t.is(one.group?.subgroupCount, children.filter(sees).length);
          const parent = there.get(index)?.parent;
          const isShown = parent != null && (seen === ALL || (there.has(parent) && sees(parent)));
          t.is(one.group?.parentId, isShown ? id(parent) : undefined);
          const set = parent != null && sees(parent) ? there.get(parent)?.set : undefined;
          t.deepEqual(one.group?.carriedTags, set?.filter((name) => there.get(index)?.carries.includes(name)) ?? []);
          found.carried += one.group?.carriedTags.length ?? 0;
          const shown = async (depth: number) =>
            (await listSubgroups({ db, turns }, { ...page, memberId: 'm', depth })).groups.map((g) => g.groupId);
          t.deepEqual((await shown(1)).sort(), idsOf(children.filter((child) => child !== index && sees(child))));
          const descendants = all.filter((other) => isBelow(other, index) && sees(other));
          t.deepEqual((await shown(100)).sort(), idsOf(descendants));
          const ancestors = (await listAncestors({ db, searches }, { memberId: 'm', groupId, seen })).groups.map(
            (g) => g.groupId,
          );
          t.deepEqual(ancestors.sort(), idsOf(above(index).filter((up) => there.has(up) && sees(up))));
          found.below += descendants.length;
          found.above += ancestors.length;
          if (descendants.length < all.length) found.hidden++;
        }
      }
      for (const index of all) {
        const page = { groupId: id(index), seen: ALL, pageSize: 0, pageToken: '', tag: '', filter: '', orderBy: '' };
        const listed = await listGroupMembers({ db, searches }, { memberId: 'm', ...page, positionId: '' });
        const expected = memberships.last
          .filter((s) => s.at === index && s.isMember)
          .map((s) => ({
            memberId: members[s.member],
            tags: s.carries.filter((name) => there.get(index)?.set.includes(name)),
            positions: bindings.last.find((b) => b.at === index && b.member === s.member)?.positions.map(String) ?? [],
          }));
        t.deepEqual(
          listed.members.map((one) => ({
            memberId: one.member?.memberId,
            tags: one.tags,
            positions: one.positions.map(({ positionId }) => positionId),
          })),
          expected.sort((a, b) => ((a.memberId ?? '') < (b.memberId ?? '') ? -1 : 1)),
        );
        found.members += expected.length;
        const isThere = positions.last.some((s) => s.at === index && s.there);
        t.deepEqual(
          (await listPositions(db, page)).positions.map(({ positionId }) => positionId),
          isThere ? [id(index)] : [],
        );
      }
    }),
    { numRuns: 40 },
  );
  t.true(
    found.below > 10 && found.above > 10 && found.members > 10 && found.hidden > 10 && found.carried > 10,
    JSON.stringify(found),
  );
});
