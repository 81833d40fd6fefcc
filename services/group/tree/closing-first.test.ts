import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import { call, type Job, job, openTestGroup, unique } from '../group.fixture.ts';
import { joiningOf } from '../memberships/joining.fixture.ts';

// A job that is to hold a group with all that is below it closes it first: who sends on and on below it does not hold that up.

const group = await openTestGroup('closings');
const { db, service, begin, commit, createGroup, undo, close } = group;
const { change } = joiningOf(group);
test.after.always(close);

const BUSY = { code: 'GROUP_BUSY' };
const shut = (groupId: string, { of }: Job) => service.closeGroup({ operationId: of('close'), groupId }, call);
const closingsOf = ({ jobId }: Job) => db.query(sql`select from closings where job_id = ${jobId}`);

test('what is begun below it later waits, and what was begun before goes on to its end', async (t) => {
  const parentId = await createGroup();
  const [groupId, renaming, archiving] = [await createGroup({ parentId }), job(), job()];
  await begin.rename(groupId, unique('Before'), renaming);
  await shut(parentId, archiving);
  await t.throwsAsync(begin.archive(parentId, archiving), BUSY);
  const later = () => [
    begin.rename(parentId, unique('Later')),
    begin.create({ parentId: groupId }),
    begin.tags(groupId, 'TAGS_CHANGE_PUT', 'later'),
    begin.delete(groupId),
    change('ADD', groupId, randomUUID()),
  ];
  for (const one of later()) await t.throwsAsync(one, BUSY);
  await t.notThrowsAsync(commit(groupId, renaming));
  for (const one of later()) await t.throwsAsync(one, BUSY, 'also when nothing holds it any more');
  await begin.archive(parentId, archiving);
  await commit(parentId, archiving);
  t.deepEqual(await closingsOf(archiving), []);
  await t.throwsAsync(change('ADD', groupId, randomUUID()), { code: 'GROUP_ARCHIVED' });
});

test('by its undo it is as it was; what is not there, or is the whole organisation, is not closed', async (t) => {
  const [groupId, at] = [await createGroup(), job()];
  await shut(groupId, at);
  await undo(at.of('close'));
  await t.notThrowsAsync(begin.rename(groupId, unique('Again')));
  await t.throwsAsync(shut(randomUUID(), job()), { code: 'GROUP_NOT_FOUND' });
  await t.throwsAsync(shut(ROOT, job()), { code: 'ROOT_GROUP' });
});

test('of two that close, the first takes what it came for first, wherever it is: they do not wait for each other', async (t) => {
  const [above, other] = [await createGroup(), await createGroup()];
  const [below, first, second] = [await createGroup({ parentId: above }), job(), job()];
  await shut(below, first);
  await shut(above, second);
  await begin.archive(below, first);
  await t.throwsAsync(begin.archive(above, second), BUSY);
  await commit(below, first);
  await t.notThrowsAsync(begin.archive(above, second));
  const [there, back] = [job(), job()];
  const inside = await createGroup();
  await shut(inside, there);
  await shut(other, back);
  await t.throwsAsync(begin.move(other, inside, back), BUSY);
  await begin.move(inside, other, there);
  await commit(inside, there);
  await t.throwsAsync(begin.move(other, inside, back), { code: 'GROUP_CYCLE' });
  const deleting = job();
  await shut(inside, deleting);
  await undo(back.of('close'));
  await begin.delete(inside, deleting);
  await service.purgeGroups({ operationId: deleting.of('purge'), groupId: inside, limit: 100 }, call);
  t.deepEqual(await closingsOf(deleting), [], 'it goes with the group');
});
