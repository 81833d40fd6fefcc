import { randomUUID } from 'node:crypto';
import test from 'ava';
import { call, job, openTestPositions } from './position.fixture.ts';

let { service, begin, change, createGroup, createPosition, boundTo, undo, close } = {} as Awaited<
  ReturnType<typeof openTestPositions>
>;
test.before(async () => {
  ({ service, begin, change, createGroup, createPosition, boundTo, undo, close } = await openTestPositions('release'));
});
test.after.always(() => close?.());

test('a member that is deleted is bound to nothing, and nobody binds it; undone, it is bound to what it was', async (t) => {
  const [one, two] = [await createGroup(), await createGroup()];
  const { positionId } = await createPosition(one.groupId);
  const memberId = randomUUID();
  await change(one.groupId, memberId, { bind: [positionId, one.leading] });
  await change(two.groupId, memberId, { bind: [two.leading] });
  const { of } = job();
  const release = () => service.releaseMember({ operationId: of('release'), memberId }, call);
  const { written } = await release();
  t.deepEqual(
    written.map(({ id, version }) => [id, version]).sort(),
    [
      [`${one.groupId}.${memberId}`, 2],
      [`${two.groupId}.${memberId}`, 2],
    ].sort(),
  );
  t.deepEqual(await release(), { written }, 'twice is once');
  t.deepEqual([await boundTo(one.groupId, memberId), await boundTo(two.groupId, memberId)], [[], []]);
  const deleting = { code: 'MEMBER_DELETING' };
  await t.throwsAsync(begin(two.groupId, memberId, { bind: [two.leading] }), deleting);
  await t.throwsAsync(begin(one.groupId, one.leaderId, { releaseAll: true, successorId: memberId }), deleting);
  await t.throwsAsync(service.releaseMember({ operationId: job().of('release'), memberId }, call), deleting);

  await undo(of('release'));
  t.deepEqual(await boundTo(one.groupId, memberId), [positionId, one.leading].sort());
  t.deepEqual(await boundTo(two.groupId, memberId), [two.leading]);
  await t.notThrowsAsync(change(two.groupId, memberId, { releaseAll: true }));
  await t.throwsAsync(release(), { code: 'OPERATION_UNDONE' });
});

test('while another job changes what a member is bound to, its release waits; what was removed meanwhile is not given back', async (t) => {
  const { groupId, leading } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId, leading] });
  const [binding, releasing] = [job(), job()];
  const release = () => service.releaseMember({ operationId: releasing.of('release'), memberId }, call);
  await begin(groupId, memberId, { release: [positionId] }, binding);
  t.like(await t.throwsAsync(release()), { code: 'POSITION_BUSY', retryable: true });
  await undo(binding.of('begin'));
  await release();
  const deletion = job();
  await service.beginDeletePosition({ operationId: deletion.of('begin'), groupId, positionId }, call);
  await service.commitPosition({ operationId: deletion.of('commit'), positionId }, call);
  await undo(releasing.of('release'));
  t.deepEqual(await boundTo(groupId, memberId), [leading]);
});

test('the undo of a release waits for who deletes a position that it gives back', async (t) => {
  const { groupId, leading } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId, leading] });
  const [deletion, releasing] = [job(), job()];
  await service.releaseMember({ operationId: releasing.of('release'), memberId }, call);
  await service.beginDeletePosition({ operationId: deletion.of('begin'), groupId, positionId }, call);
  t.like(await t.throwsAsync(undo(releasing.of('release'))), { code: 'POSITION_BUSY', retryable: true });
  await t.notThrowsAsync(service.commitPosition({ operationId: deletion.of('commit'), positionId }, call));
  await undo(releasing.of('release'));
  t.deepEqual(await boundTo(groupId, memberId), [leading]);
});
