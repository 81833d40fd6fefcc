import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { sql } from '#platform/postgres/database.ts';
import type { Visibility } from '#proto/musubi/group/v1/group.ts';
import { call, type Job, job, openTestGroup, unique } from '../group.fixture.ts';
import { LINES_IN_PART } from '../memberships/additions.ts';
import { invitation, joiningOf, type What } from '../memberships/joining.fixture.ts';

// A group is closed: it gets another visibility, is archived, or deleted. Once that is said, nobody comes in any more who was on the way.

const group = await openTestGroup('closing');
const { db, service, begin, commit, createGroup, membershipOf, undo, close } = group;
const { change, done } = joiningOf(group);
test.after.always(close);

const beginShow = (groupId: string, visibility: Visibility, { of }: Job = job()) =>
  service.beginUpdateGroup({ operationId: of('begin'), groupId, name: undefined, description: undefined, visibility }, call);
const commitMembership = ({ of }: Job) => service.commitMembership({ operationId: of('commit') }, call);
const hold = (groupId: string, { of }: Job = job()) => service.holdGroup({ operationId: of('hold'), groupId }, call);
const release = ({ of }: Job) => service.releaseGroup({ operationId: of('release') }, call);

const BUSY = { code: 'GROUP_BUSY' };
const NOT_FOUND = { code: 'GROUP_NOT_FOUND' };
const ARCHIVED = { code: 'GROUP_ARCHIVED' };

for (const [what, from, to, code] of [
  ['JOIN', 'VISIBILITY_OPEN', 'VISIBILITY_REQUEST', 'GROUP_NOT_OPEN'],
  ['JOIN', 'VISIBILITY_OPEN', 'VISIBILITY_INVITATION', 'GROUP_NOT_OPEN'],
  ['REQUEST', 'VISIBILITY_REQUEST', 'VISIBILITY_OPEN', 'GROUP_NOT_ON_REQUEST'],
  ['REQUEST', 'VISIBILITY_REQUEST', 'VISIBILITY_INVITATION', 'GROUP_NOT_ON_REQUEST'],
] as const)
  test(`${what} while ${from} becomes ${to}: who was let through comes first, and who comes later is not let through`, async (t) => {
    for (const isUndone of [true, false]) {
      const [groupId, memberId, coming, closing] = [await createGroup({ visibility: from }), randomUUID(), job(), job()];
      await change(what, groupId, memberId, {}, coming);
      await beginShow(groupId, to, closing);
      await t.throwsAsync(commit(groupId, closing), BUSY);
      await t.throwsAsync(change(what, groupId, randomUUID()), BUSY, 'it waits for what becomes of that');
      await (isUndone ? undo(coming.of('begin')) : commitMembership(coming));
      await commit(groupId, closing);
      await t.throwsAsync(change(what, groupId, randomUUID()), { code });
    }
    const [groupId, closing] = [await createGroup({ visibility: from }), job()];
    await beginShow(groupId, to, closing);
    await undo(closing.of('begin'));
    await t.notThrowsAsync(done(what, groupId, randomUUID()));
  });

test('another name waits for nobody, and nobody for it; nor does another visibility wait for whom others bring in', async (t) => {
  const [groupId, memberId, coming, renaming] = [await createGroup(), randomUUID(), job(), job()];
  await change('JOIN', groupId, memberId, {}, coming);
  await begin.rename(groupId, unique('Other'), renaming);
  await t.notThrowsAsync(done('JOIN', groupId, randomUUID()));
  await t.notThrowsAsync(commit(groupId, renaming));
  await commitMembership(coming);
  const [adding, closing] = [job(), job()];
  await change('ADD', groupId, randomUUID(), {}, adding);
  await beginShow(groupId, 'VISIBILITY_REQUEST', closing);
  await t.notThrowsAsync(done('ADD', groupId, randomUUID()));
  await t.notThrowsAsync(commit(groupId, closing));
  await t.notThrowsAsync(commitMembership(adding));
});

test('what is changed in a group elsewhere holds it: it is neither archived nor deleted, also with one above it, until that is done or undone', async (t) => {
  const parentId = await createGroup();
  const groupId = await createGroup({ parentId });
  for (const end of [release, ({ of }: Job) => undo(of('hold'))]) {
    const [one, other] = [job(), job()];
    await hold(groupId, one);
    await hold(groupId, other);
    for (const id of [groupId, parentId])
      for (const closing of [begin.archive(id), begin.delete(id)]) await t.throwsAsync(closing, BUSY);
    await t.notThrowsAsync(done('ADD', groupId, randomUUID()), 'nothing else waits for it');
    await end(one);
    await t.throwsAsync(begin.archive(groupId), BUSY, 'the other one holds it still');
    await end(other);
    t.deepEqual(await db.query(sql`select from holds where group_id = ${groupId}`), []);
  }
  const archiving = job();
  await begin.archive(parentId, archiving);
  for (const id of [groupId, parentId]) await t.throwsAsync(hold(id), BUSY);
  await commit(parentId, archiving);
  for (const id of [groupId, parentId]) await t.throwsAsync(hold(id), ARCHIVED);
});

test('nothing is held of a group that is missing, or still being made: it may be undone', async (t) => {
  await t.throwsAsync(hold(randomUUID()), NOT_FOUND);
  const at = job();
  const { groupId } = await begin.create({}, at);
  await t.throwsAsync(hold(groupId), NOT_FOUND);
  await commit(groupId, at);
  await t.notThrowsAsync(hold(groupId));
});

/** Tries a step again while others are at it, as a saga does. */
async function persevere<T>(step: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await step();
    } catch (error) {
      if (!(error as MusubiError).retryable) throw error;
      await sleep(1);
    }
  }
}
const awhile = (): Promise<void> => sleep(Math.random() * 12);
const code = (error: MusubiError): string => error.code;

/** Who is in a group, or asks to be, or is invited. */
const tiesOf = (groupId: string) =>
  db.query(sql`
    select member_id, joined_at, requested_at, invited_at from memberships
    where group_id = ${groupId} and num_nonnulls(joined_at, requested_at, invited_at) > 0 order by member_id`);

/** How members come to be something to a group, with what comes before. */
const COMING: Partial<Record<What, [What, object] | null>> = {
  JOIN: null,
  REQUEST: null,
  ADD: null,
  INVITE: null,
  APPROVE: ['REQUEST', {}],
  ACCEPT: ['INVITE', invitation()],
};
const WAYS = Object.keys(COMING) as What[];

const visibility = (to: Visibility) => ({
  begin: (groupId: string, at: Job) => beginShow(groupId, to, at),
  end: commit,
});
const many = (way: What): What[] => Array.from({ length: 6 }, () => way);
const CLOSINGS = {
  'gets another visibility': { from: 'VISIBILITY_OPEN', stops: many('JOIN'), ...visibility('VISIBILITY_REQUEST') },
  'is by invitation only': { from: 'VISIBILITY_REQUEST', stops: many('REQUEST'), ...visibility('VISIBILITY_INVITATION') },
  'is archived': { from: 'VISIBILITY_OPEN', stops: WAYS, begin: begin.archive, end: commit },
  'is archived while it takes requests': { from: 'VISIBILITY_REQUEST', stops: WAYS, begin: begin.archive, end: commit },
  'is deleted': {
    from: 'VISIBILITY_OPEN',
    stops: WAYS,
    begin: begin.delete,
    end: async (groupId: string, { of }: Job) => {
      await service.purgeMemberships({ operationId: of('memberships'), groupId, limit: 1_000 }, call);
      await service.purgeGroups({ operationId: of('groups'), groupId, limit: 100 }, call);
    },
  },
} as const;

for (const [what, { from, stops, begin: beginClosing, end }] of Object.entries(CLOSINGS))
  test(`a group ${what} while many come in: once that is said, nobody comes in by what it stops`, async (t) => {
    let [inTime, late] = [0, 0];
    for (let round = 0; round < 25; round++) {
      const [groupId, closing] = [await createGroup({ visibility: 'VISIBILITY_REQUEST' }), job()];
      const coming = await Promise.all(
        stops.map(async (way) => {
          const memberId = randomUUID();
          const [before, asked] = COMING[way] ?? [];
          if (before) await done(before, groupId, memberId, asked);
          return { way, memberId };
        }),
      );
      const showing = job();
      await beginShow(groupId, from, showing);
      await commit(groupId, showing);
      const comeIn = async ({ way, memberId }: (typeof coming)[number]): Promise<string> => {
        const at = job();
        await awhile();
        await persevere(() => change(way, groupId, memberId, way === 'INVITE' ? invitation() : {}, at));
        await awhile();
        await commitMembership(at);
        return 'in';
      };
      const shut = async () => {
        await awhile();
        await persevere(() => beginClosing(groupId, closing));
        await awhile();
        await persevere<unknown>(() => end(groupId, closing));
        return await tiesOf(groupId);
      };
      const [said, ...ends] = await Promise.all([shut(), ...coming.map((one) => comeIn(one).catch(code))]);
      t.deepEqual(await tiesOf(groupId), said);
      inTime += ends.filter((one) => one === 'in').length;
      late += ends.filter((one) => /^GROUP_(NOT_OPEN|NOT_ON_REQUEST|ARCHIVED|NOT_FOUND)$/.test(one)).length;
      t.deepEqual(await db.query(sql`select from memberships where lock_holder is not null and group_id = ${groupId}`), []);
    }
    t.true(inTime > 0 && late > 0, `${inTime} in time, ${late} too late`);
  });

test('a group is archived while many are added to it: the parts that are left are refused, and nobody comes in after', async (t) => {
  const [groupId, adding, archiving] = [await createGroup(), job(), job()];
  const memberIds = Array.from({ length: 4 * LINES_IN_PART }, () => randomUUID());
  await service.beginAddMembers({ operationId: adding.of('begin'), groupId, memberIds }, call);
  const add = async (part: number): Promise<void> => {
    await persevere(() => service.holdAdditions({ operationId: adding.of(`${part}/hold`), part }, call));
    await awhile();
    await service.commitAdditions({ operationId: adding.of(`${part}/commit`), part, refused: [] }, call);
  };
  await add(0);
  const archive = async () => {
    await persevere(() => begin.archive(groupId, archiving));
    await awhile();
    await commit(groupId, archiving);
    return (await tiesOf(groupId)).length;
  };
  await persevere(() => service.holdAdditions({ operationId: adding.of('1/hold'), part: 1 }, call));
  const [said] = await Promise.all([archive(), sleep(20).then(() => add(1)), sleep(40).then(() => add(2))]);
  await add(3);
  t.is((await tiesOf(groupId)).length, said);
  t.true(said >= 2 * LINES_IN_PART, 'what was held came in first');
  const { added, refused } = await service.sumUpAdditions({ operationId: adding.of('sum') }, call);
  t.is(added, said);
  t.is(added + refused, memberIds.length);
  t.true(refused >= LINES_IN_PART);
  t.truthy(await membershipOf(groupId, memberIds[0] ?? ''));
});
