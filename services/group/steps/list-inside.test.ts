import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { call, job, openTestGroup } from '../group.fixture.ts';
import { joiningOf } from '../memberships/joining.fixture.ts';

// Who is told when what all members of a group hold permits something else: nobody may be missed by whom Auth went until then.

const group = await openTestGroup('inside');
const { service, createGroup, putMembers, closeAndLeave, close } = group;
const { change, done } = joiningOf(group);
test.after.always(close);

async function inside(groupId?: string) {
  const { memberIds, tooMany } = await service.listInside({ operationId: job().of('list'), groupId }, call);
  return { memberIds: memberIds.toSorted(), tooMany };
}

test('those who are in it are listed, and those who come and go, until that is through; who was in it once is not', async (t) => {
  const groupId = await createGroup();
  const [member, comes, goes, deleted] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];
  await putMembers(groupId, [member, goes, deleted]);
  const going = job();
  await change('LEAVE', groupId, goes, {}, going);
  await change('JOIN', groupId, comes);
  await closeAndLeave(deleted);
  t.deepEqual(await inside(groupId), { memberIds: [member, comes, goes, deleted].toSorted(), tooMany: false });
  await service.commitMembership({ operationId: going.of('commit') }, call);
  t.deepEqual((await inside(groupId)).memberIds, [member, comes, deleted].toSorted(), 'a deleted one has no sockets any more');
  await done('JOIN', groupId, goes);
  t.true((await inside(groupId)).memberIds.includes(goes));
});

test('more than a thousand are not named, nor are all that there are', async (t) => {
  const groupId = await createGroup();
  await putMembers(
    groupId,
    Array.from({ length: 1_000 }, () => randomUUID()),
  );
  t.is((await inside(groupId)).memberIds.length, 1_000);
  await putMembers(groupId, [randomUUID()]);
  t.deepEqual(await inside(groupId), { memberIds: [], tooMany: true });
  t.deepEqual(await inside(ROOT), { memberIds: [], tooMany: true });
  t.deepEqual(await inside(), { memberIds: [], tooMany: false });
});
