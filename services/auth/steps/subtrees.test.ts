import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { groupsOf, operation } from '../groups/groups.fixture.ts';
import { listAuditEvents } from '../rpcs/list-audit-events.ts';
import { listGroupsBelow } from '../rpcs/list-copies.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// Groups with all that is below them: what is told of it.

let auth: TestAuth;
let { member, made, undo } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made, undo } = groupsOf(auth));
  await auth.role('admin', ['permit (principal, action, resource);']);
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

/** Puts many groups on a path. @returns their IDs, in order */
async function putMany(path: string[], count: number): Promise<string[]> {
  const ids = Array.from({ length: count }, () => randomUUID()).sort();
  await auth.store.groups.insertMany(
    ids.map((id) => ({ _id: id, path: [...path, id], findable: true, positions: [], version: 1 })),
  );
  return ids;
}

test('what went with a group that is deleted is in the audit: how many groups, and a hundred of them by their IDs', async (t) => {
  const admin = await member('admin');
  const told = async (jobId: string) => {
    const filter = { memberId: admin.memberId, action: 'group.delete', since: undefined, until: undefined };
    const { events } = await listAuditEvents(auth, { filter, pageSize: 100, pageToken: '' });
    return events
      .filter((event) => event.jobId === jobId)
      .map(({ outcome, count, resources }) => ({ outcome, count, ids: resources.map(({ type, id }) => `${type} ${id}`) }));
  };
  const remove = async (groupId: string, jobId = randomUUID()) => {
    const operationId = `${jobId}/auth.removeGroups`;
    await auth.steps.removeGroups({ operationId, groupId, permit: admin.permit(groupId, 'group.delete') });
    return { jobId, operationId };
  };
  const top = await made(undefined);
  const inner = await putMany([ROOT, top.groupId], 1);
  const [beneath = ''] = inner;
  const all = [...inner, ...(await putMany([ROOT, top.groupId, beneath], 103))].sort();
  const { jobId, operationId } = await remove(top.groupId);
  const went = { count: 105, ids: [top.groupId, ...all.slice(0, 100)].map((id) => `Group ${id}`) };
  t.deepEqual(await told(jobId), [{ outcome: 'DONE', ...went }]);
  await undo(operationId);
  t.deepEqual(
    (await told(jobId)).toSorted((a, b) => a.outcome.localeCompare(b.outcome)),
    [
      { outcome: 'DONE', ...went },
      { outcome: 'UNDONE', ...went },
    ],
  );
  const single = await made(undefined);
  const { jobId: other } = await remove(single.groupId);
  t.deepEqual(await told(other), [{ outcome: 'DONE', count: undefined, ids: [`Group ${single.groupId}`] }]);
});

test('which groups are below one is told page by page, however far they are, also while a job removes them, and which it is in', async (t) => {
  const top = await made(undefined);
  const below = await putMany([ROOT, top.groupId], 2);
  const [first = '', removed = ''] = below;
  const all = [...below, ...(await putMany([ROOT, top.groupId, first], 1_000))].sort();
  await auth.steps.removeGroups({ ...operation(), groupId: removed });
  const pages: string[][] = [];
  for (let afterId: string | undefined = ''; afterId !== undefined; ) {
    const { groupIds, parentId } = await listGroupsBelow(auth.store, { groupId: top.groupId, afterId });
    pages.push(groupIds);
    t.is(parentId, ROOT);
    afterId = groupIds.at(-1);
  }
  t.deepEqual(pages, [all.slice(0, 1_000), all.slice(1_000), []]);
  t.is((await listGroupsBelow(auth.store, { groupId: first, afterId: '' })).parentId, top.groupId);
  t.deepEqual(await listGroupsBelow(auth.store, { groupId: randomUUID(), afterId: '' }), { groupIds: [], parentId: undefined });
});
