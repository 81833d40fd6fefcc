import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { MOST_ADDED, MOST_GROUPS, ROOT } from '#platform/validation/group-fields.ts';
import { AdditionOutcome, type RefusedAddition } from '#proto/musubi/group/v1/group.ts';
import { NO_TIES } from '../domain.ts';
import { groupErasure } from '../erasure.ts';
import { call, job, openTestGroup } from '../group.fixture.ts';
import { holdAdditions } from '../steps/add-members.ts';
import { LINES_IN_PART, pruneAdditions } from './additions.ts';
import { invitation, joiningOf } from './joining.fixture.ts';

const group = await openTestGroup('additions');
const { db, service, begin, commit, createGroup, membershipOf, putMembers, eventsOf, closeMember, undo, close } = group;
const { done, onRequest } = joiningOf(group);
test.after.always(close);

const ids = (count: number): string[] => Array.from({ length: count }, () => randomUUID());
const beginAdding = (groupId: string, memberIds: string[], { of } = job()) =>
  service.beginAddMembers({ operationId: of('begin'), groupId, memberIds }, call);
const hold = ({ of }: ReturnType<typeof job>, part = 0) =>
  service.holdAdditions({ operationId: of(`add-part/${part}/hold`), part }, call);
/** As the saga does: what Auth has refused is told, and of the others what hinders them. */
const commitPart = async (at: ReturnType<typeof job>, part = 0, refused: RefusedAddition[] = []) => {
  const { hindered } = await hold(at, part);
  const others = hindered.filter(({ memberId }) => !refused.some((one) => one.memberId === memberId));
  return await service.commitAdditions(
    { operationId: at.of(`add-part/${part}/commit`), part, refused: [...refused, ...others] },
    call,
  );
};
const linesOf = async (
  { jobId }: ReturnType<typeof job>,
  outcome: AdditionOutcome = AdditionOutcome.ADDITION_OUTCOME_UNSPECIFIED,
  pageSize = 100,
) => {
  const lines: string[] = [];
  for (let pageToken = ''; ; ) {
    const page = await service.listAdditions({ jobId, outcome, pageSize, pageToken }, call);
    lines.push(...page.additions.map((one) => `${one.memberId} ${one.code || one.outcome.replace('ADDITION_OUTCOME_', '')}`));
    pageToken = page.nextPageToken;
    if (pageToken === '') return lines;
  }
};

test('each line ends by itself: added, already in it, or refused with why', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  const [free, inIt, leaving, crowded, unknown] = ids(5) as [string, string, string, string, string];
  await putMembers(groupId, [inIt]);
  await putMembers(ROOT, [leaving]);
  await closeMember(leaving);
  await db.query(sql`with crowd as (
      insert into groups (group_id, parent_id, name, description, visibility, tags, version, created_at, updated_at)
      select gen_random_uuid()::text, ${ROOT}, '', '', 'open', '[]', 1, now(), now() from generate_series(1, ${MOST_GROUPS}) returning group_id)
    insert into memberships (group_id, member_id, joined_at, version) select group_id, ${crowded}, now(), 1 from crowd`);
  // Into one of them it is just coming: that counts as the others do.
  await db.query(sql`update memberships set joined_at = null, lock_holder = 'another job', pending = '{"isMember": true}'
    where (group_id, member_id) = (select group_id, member_id from memberships where member_id = ${crowded} limit 1)`);
  const all = [unknown, free, inIt, leaving, crowded];
  await beginAdding(groupId, all, at);
  t.deepEqual(
    await linesOf(at),
    all.map((id) => `${id} WAITING`),
  );
  t.is((await service.countAdditions({ operationId: at.of('count') }, call)).parts, 1);
  const { memberIds, hindered } = await hold(at);
  t.deepEqual(memberIds, [unknown, free]);
  t.deepEqual(
    hindered.toSorted((a, b) => all.indexOf(a.memberId) - all.indexOf(b.memberId)),
    [
      { memberId: inIt, code: 'already' },
      { memberId: leaving, code: 'MEMBER_DELETING' },
      { memberId: crowded, code: 'TOO_MANY_GROUPS' },
    ],
  );
  t.deepEqual(
    await linesOf(at),
    all.map((id) => `${id} WAITING`),
    'nothing is said before it is known who may know it',
  );
  t.like(await membershipOf(groupId, free), { joinedAt: null, version: 0, lockHolder: at.jobId });
  const { written } = await commitPart(at, 0, [{ memberId: unknown, code: 'MEMBER_NOT_FOUND' }]);
  t.deepEqual(written, [{ type: 'membership', id: `${groupId}.${free}`, version: 1 }]);
  t.truthy((await membershipOf(groupId, free))?.joinedAt);
  t.deepEqual(await eventsOf(`${groupId}.${free}`), ['membership.changed 1']);
  t.is(await membershipOf(groupId, unknown), undefined);
  t.deepEqual(await linesOf(at, undefined, 2), [
    `${unknown} MEMBER_NOT_FOUND`,
    `${free} ADDED`,
    `${inIt} ALREADY`,
    `${leaving} MEMBER_DELETING`,
    `${crowded} TOO_MANY_GROUPS`,
  ]);
  t.is((await linesOf(at, AdditionOutcome.ADDITION_OUTCOME_REFUSED, 2)).length, 3);
  const sums = await service.sumUpAdditions({ operationId: at.of('sum') }, call);
  t.deepEqual(sums, { added: 1, already: 1, refused: 3 });
  const page = await service.listAdditions({ jobId: at.jobId, outcome: 0 as never, pageSize: 1, pageToken: '' }, call);
  const other = { jobId: randomUUID(), outcome: 0 as never, pageSize: 1, pageToken: page.nextPageToken };
  await t.throwsAsync(service.listAdditions(other, call), { code: 'PAGE_TOKEN_INVALID' });
});

test('of whom it may not be known what hinders it, that is not told', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  const [hidden, inIt] = ids(2) as [string, string];
  await putMembers(groupId, [hidden, inIt]);
  await beginAdding(groupId, [hidden, inIt], at);
  await hold(at);
  await commitPart(at, 0, [{ memberId: hidden, code: 'MEMBER_NOT_FOUND' }]);
  t.deepEqual(await linesOf(at), [`${hidden} MEMBER_NOT_FOUND`, `${inIt} ALREADY`]);
  const sums = await service.sumUpAdditions({ operationId: at.of('sum') }, call);
  t.deepEqual(sums, { added: 0, already: 1, refused: 1 });
  t.truthy((await membershipOf(groupId, hidden))?.joinedAt, 'it stays in it');
});

test('many are done part by part, and one part leaves the others alone', async (t) => {
  const [groupId, at, members] = [await createGroup(), job(), ids(LINES_IN_PART + 2)];
  await beginAdding(groupId, members, at);
  t.is((await service.countAdditions({ operationId: at.of('count') }, call)).parts, 2);
  const [last, first] = [await hold(at, 1), await hold(at, 0)];
  t.deepEqual([...first.memberIds, ...last.memberIds], members);
  t.is((await commitPart(at, 1)).written.length, 2);
  t.is((await linesOf(at, AdditionOutcome.ADDITION_OUTCOME_ADDED)).length, 2);
  t.is((await commitPart(at, 0)).written.length, LINES_IN_PART);
  t.is((await linesOf(at, AdditionOutcome.ADDITION_OUTCOME_ADDED)).length, members.length);
});

test('who comes in has not asked, is not invited and was not put out any more, and carries nothing', async (t) => {
  const [groupId, at, members] = [await onRequest(), job(), ids(3)];
  const [asking, invited, expelled] = members as [string, string, string];
  await done('REQUEST', groupId, asking, { reason: 'Please' });
  await done('INVITE', groupId, invited, invitation());
  await putMembers(groupId, [expelled]);
  await db.query(sql`update memberships set tag_ids = array['tag'] where group_id = ${groupId} and member_id = ${expelled}`);
  await done('EXPEL', groupId, expelled, { reason: 'Gone' });
  await beginAdding(groupId, members, at);
  await hold(at);
  t.like(await membershipOf(groupId, invited), { joinedAt: null, lockHolder: at.jobId }, 'as it was until then');
  t.truthy((await membershipOf(groupId, invited))?.invitedAt);
  t.is((await commitPart(at)).written.length, 3);
  for (const memberId of members) {
    const { joinedAt, ...others } = (await membershipOf(groupId, memberId)) ?? {};
    t.truthy(joinedAt);
    const { joinedAt: _, ...nothing } = NO_TIES;
    t.like(others, { ...nothing, lockHolder: null, pending: null });
    t.is((await eventsOf(`${groupId}.${memberId}`)).at(-1)?.split(' ')[0], 'membership.changed');
  }
});

test('a part waits for who else is at one of its members, and for a move of the group; an archived or deleted one refuses its lines', async (t) => {
  const [groupId, at, leaving, [memberId = '']] = [await createGroup(), job(), job(), ids(1)];
  await putMembers(groupId, [memberId]);
  const change = { groupId, memberId, change: 'MEMBERSHIP_CHANGE_LEAVE' as const, reason: '', successorId: undefined };
  await service.beginChangeMembership({ operationId: leaving.of('begin'), ...change }, call);
  await beginAdding(groupId, [memberId, ...ids(1)], at);
  await t.throwsAsync(hold(at), { code: 'MEMBERSHIP_BUSY' });
  await undo(leaving.of('begin'));
  const moving = job();
  await begin.move(groupId, await createGroup(), moving);
  await t.throwsAsync(hold(at), { code: 'GROUP_BUSY' });
  await undo(moving.of('begin'));
  const archiving = job();
  await begin.archive(groupId, archiving);
  await commit(groupId, archiving);
  t.deepEqual((await hold(at)).memberIds, []);
  t.deepEqual(
    (await linesOf(at)).map((line) => line.split(' ')[1]),
    ['GROUP_ARCHIVED', 'GROUP_ARCHIVED'],
  );
  await t.throwsAsync(beginAdding(groupId, ids(1)), { code: 'GROUP_ARCHIVED' });
  await t.throwsAsync(beginAdding(ROOT, ids(1)), { code: 'ROOT_GROUP' });
  await t.throwsAsync(beginAdding(randomUUID(), ids(1)), { code: 'GROUP_NOT_FOUND' });
});

test('who stops it has those whose turn has not come be refused, and takes nobody out', async (t) => {
  const [groupId, at, members] = [await createGroup(), job(), ids(LINES_IN_PART + 1)];
  await beginAdding(groupId, members, at);
  await hold(at, 0);
  const waiting = await linesOf(at, AdditionOutcome.ADDITION_OUTCOME_WAITING);
  t.is(waiting.length, members.length, 'who is held waits');
  await service.stopAdditions({ jobId: at.jobId }, call);
  t.is((await commitPart(at, 0)).written.length, LINES_IN_PART);
  t.deepEqual((await hold(at, 1)).memberIds, []);
  t.is((await commitPart(at, 1)).written.length, 0);
  t.deepEqual(await linesOf(at, AdditionOutcome.ADDITION_OUTCOME_REFUSED), [`${members.at(-1)} LINE_CANCELLED`]);
  const sums = await service.sumUpAdditions({ operationId: at.of('sum') }, call);
  t.deepEqual(sums, { added: LINES_IN_PART, already: 0, refused: 1 });
  await service.stopAdditions({ jobId: at.jobId }, call);
  t.is((await linesOf(at, AdditionOutcome.ADDITION_OUTCOME_ADDED)).length, LINES_IN_PART, 'also when it comes late');
});

test('a group is not deleted while a part of it is under way', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  await beginAdding(groupId, ids(1), at);
  await hold(at);
  await t.throwsAsync(begin.delete(groupId), { code: 'GROUP_BUSY' });
  await commitPart(at);
  await t.notThrowsAsync(begin.delete(groupId));
});

test('of what was begun the undo leaves nothing; what is asked for is bounded, each once', async (t) => {
  const [groupId, at, [memberId = '']] = [await createGroup(), job(), ids(1)];
  await beginAdding(groupId, [memberId], at);
  await undo(at.of('begin'));
  t.deepEqual(await linesOf(at), []);
  for (const wrong of [[], [memberId, memberId], ['x'], ids(MOST_ADDED + 1)])
    await t.throwsAsync(beginAdding(groupId, wrong), { code: 'INVALID_ARGUMENT' });
});

test('lines are kept as long as their job can be read, and as long as it is under way; then they are forgotten', async (t) => {
  const [groupId, gone, open, young] = [await createGroup(), job(), job(), job()];
  for (const at of [gone, open, young]) {
    await beginAdding(groupId, ids(2), at);
    if (at === open) await db.query(sql`update additions set outcome = 'added' where job_id = ${at.jobId} and line = 0`);
    else await service.stopAdditions({ jobId: at.jobId }, call);
  }
  const day = 86_400;
  const age = (days: number, ...all: (typeof gone)[]) =>
    db.query(sql`update additions set begun_at = now() - make_interval(days => ${days})
      where job_id = any(${all.map(({ jobId }) => jobId)}::text[])`);
  await age(36, gone, open);
  await pruneAdditions(db, 7 * day);
  t.is((await linesOf(gone)).length, 2, 'its job may still be read');
  await age(38, gone, open);
  await pruneAdditions(db, 7 * day);
  t.deepEqual(await linesOf(gone), []);
  t.is((await linesOf(open)).length, 2);
  t.is((await linesOf(young)).length, 2);
  await service.stopAdditions({ jobId: open.jobId }, call);
  await pruneAdditions(db, 7 * day);
  t.deepEqual(await linesOf(open), []);
});

// Alone: it is so for the whole service.
test.serial('nothing is begun with whom nobody knows, once all are taken in', async (t) => {
  const [groupId, before, after] = [await createGroup(), job(), job()];
  const [known, unknown, undone] = ids(3) as [string, string, string];
  await putMembers(ROOT, [known]);
  const registration = job();
  await service.enterOrganisation({ operationId: registration.of('enter'), memberId: undone }, call);
  await undo(registration.of('enter'));
  await beginAdding(groupId, [unknown], before);
  t.deepEqual((await hold(before)).memberIds, [unknown], 'it may be one of before there was the whole organisation');
  await commitPart(before, 0, [{ memberId: unknown, code: 'MEMBER_NOT_FOUND' }]);
  await db.query(sql`insert into taken_in values (now())`);
  try {
    await beginAdding(groupId, [unknown, undone, known], after);
    t.deepEqual((await hold(after)).memberIds, [known]);
    t.is(await membershipOf(groupId, unknown), undefined);
    await commitPart(after);
    t.deepEqual(
      await linesOf(after, AdditionOutcome.ADDITION_OUTCOME_REFUSED),
      [unknown, undone].map((memberId) => `${memberId} MEMBER_NOT_FOUND`),
      'also of whom the registration was undone',
    );
  } finally {
    await db.query(sql`delete from taken_in`);
  }
});

test('a part takes few of the locks that all databases of a server share', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  await beginAdding(groupId, ids(MOST_ADDED), at);
  await db.transaction(async (tx) => {
    await holdAdditions.do(tx, { operationId: at.of('add-part/0/hold'), part: 0 });
    const [locks] = await tx.query<{ count: number }>(
      sql`select count(*) as count from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()`,
    );
    // Of 64 for each of a hundred connections, by default.
    t.true((locks?.count ?? 0) <= 101, `${locks?.count}`);
  });
});

test('the lines of who is erased go once they have ended', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  const [gone, other] = ids(2) as [string, string];
  await beginAdding(groupId, [gone, other], at);
  await hold(at);
  const { erase } = groupErasure(db);
  const ofLines = async (...memberIds: string[]) =>
    (await erase(memberIds)).erased.filter(({ place }) => place === 'additions').map(({ count }) => count);
  t.deepEqual(await ofLines(gone), [], 'its turn is now');
  await commitPart(at, 0, [{ memberId: gone, code: 'MEMBER_NOT_FOUND' }]);
  t.deepEqual(await ofLines(gone), [1]);
  t.deepEqual(await linesOf(at), [`${other} ADDED`]);
  t.deepEqual(await ofLines(gone), []);
});

test('how many lines of a job ended how is told also without it', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  const [inIt, free, none, waiting] = ids(4) as [string, string, string, string];
  await putMembers(groupId, [inIt]);
  await beginAdding(groupId, [inIt, free, none], at);
  const sums = () => service.getAdditionSums({ jobId: at.jobId }, call);
  t.deepEqual(await sums(), { added: 0, already: 0, refused: 0 });
  await hold(at);
  await commitPart(at, 0, [{ memberId: none, code: 'MEMBER_NOT_FOUND' }]);
  t.deepEqual(await sums(), { added: 1, already: 1, refused: 1 });
  t.deepEqual(await service.getAdditionSums({ jobId: waiting }, call), { added: 0, already: 0, refused: 0 });
});
