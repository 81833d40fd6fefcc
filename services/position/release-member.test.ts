import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { sql } from '#platform/postgres/database.ts';
import { until } from '#platform/until.fixture.ts';
import { call, type Job, job, openTestPositions } from './position.fixture.ts';
import { beginDeletePosition } from './steps/begin-delete-position.ts';

let { service, begin, commit, change, createGroup, createPosition, boundTo, undo, close } = {} as Awaited<
  ReturnType<typeof openTestPositions>
>;
let { db, closeMember, release, closeAndRelease } = {} as Awaited<ReturnType<typeof openTestPositions>>;
test.before(async () => {
  const stand = await openTestPositions('release');
  ({ service, begin, commit, change, createGroup, createPosition, boundTo, undo, close } = stand);
  ({ db, closeMember, release, closeAndRelease } = stand);
});
test.after.always(() => close?.());

const DELETING = { code: 'MEMBER_DELETING' };

test('a member that is closed stays bound, and nothing begins with it any more; the undo opens it again', async (t) => {
  const { groupId, leading, leaderId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [memberId, at] = [randomUUID(), job()];
  await change(groupId, memberId, { bind: [positionId] });
  await closeMember(memberId, at);
  await closeMember(memberId, at);
  t.deepEqual(await boundTo(groupId, memberId), [positionId]);
  const making = { operationId: job().of('add'), groupId: randomUUID(), leaderId: memberId };
  const beginnings = [
    () => begin(groupId, memberId, { bind: [leading] }),
    () => begin(groupId, memberId, { releaseAll: true }),
    () => begin(groupId, leaderId, { releaseAll: true, successorId: memberId }),
    async () => service.addDefaultPositions(making, call),
    () => closeMember(memberId),
  ];
  for (const beginning of beginnings) await t.throwsAsync(beginning(), DELETING);
  await t.throwsAsync(release(memberId), { code: 'LOCK_NOT_HELD' }, 'another job has closed it');
  await t.notThrowsAsync(change(groupId, leaderId, { bind: [positionId] }), 'others go on');
  await undo(at.of('close'));
  await t.throwsAsync(closeMember(memberId, at), { code: 'OPERATION_UNDONE' });
  await t.notThrowsAsync(change(groupId, memberId, { releaseAll: true }));
});

test('a member that is deleted is bound to nothing, and nobody binds it; undone, it is bound to what it was', async (t) => {
  const [one, two] = [await createGroup(), await createGroup()];
  const { positionId } = await createPosition(one.groupId);
  const [memberId, at] = [randomUUID(), job()];
  await change(one.groupId, memberId, { bind: [positionId, one.leading] });
  await change(two.groupId, memberId, { bind: [two.leading] });
  const { written } = await closeAndRelease(memberId, at);
  t.deepEqual(
    written.map(({ id, version }) => [id, version]).sort(),
    [
      [`${one.groupId}.${memberId}`, 2],
      [`${two.groupId}.${memberId}`, 2],
    ].sort(),
  );
  t.deepEqual(await release(memberId, at), { written }, 'twice is once');
  t.deepEqual([await boundTo(one.groupId, memberId), await boundTo(two.groupId, memberId)], [[], []]);
  await t.throwsAsync(begin(two.groupId, memberId, { bind: [two.leading] }), DELETING);

  await undo(at.of('release'));
  t.deepEqual(await boundTo(one.groupId, memberId), [positionId, one.leading].sort());
  t.deepEqual(await boundTo(two.groupId, memberId), [two.leading]);
  await t.throwsAsync(begin(two.groupId, memberId, { releaseAll: true }), DELETING, 'it is still closed');
  await undo(at.of('close'));
  await t.notThrowsAsync(change(two.groupId, memberId, { releaseAll: true }));
  await t.throwsAsync(release(memberId, at), { code: 'OPERATION_UNDONE' });
});

test('who is being deleted gives nothing: what it is bound to until a moment it may be bound to again', async (t) => {
  const { groupId, leading } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const [memberId, at, end] = [randomUUID(), job(), new Date(Date.now() + 86_400_000).toISOString()];
  await change(groupId, memberId, { bind: [leading], until: end });
  const ending = async () => (await service.listEnding({ operationId: job().of('ending'), memberId }, call)).positionIds;
  const update = () =>
    service.beginUpdatePosition(
      { operationId: job().of('update'), groupId, positionId, permissions: undefined, byMemberId: memberId },
      call,
    );
  await change(groupId, randomUUID(), { bind: [positionId] });
  await closeAndRelease(memberId, at);
  const gives = [ending, update, () => begin(groupId, randomUUID(), { bind: [positionId], byMemberId: memberId })];
  for (const give of gives) await t.throwsAsync(give(), { code: 'PERMISSION_REVOKED' });
  await undo(at.of('release'));
  await undo(at.of('close'));
  t.deepEqual(await ending(), [leading]);
});

test('while another job changes what a member is bound to, its release waits; what was removed meanwhile is not given back', async (t) => {
  const { groupId, leading } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId, leading] });
  const [binding, releasing] = [job(), job()];
  await begin(groupId, memberId, { release: [positionId] }, binding);
  await closeMember(memberId, releasing);
  t.like(await t.throwsAsync(release(memberId, releasing)), { code: 'POSITION_BUSY', retryable: true });
  await undo(binding.of('begin'));
  await release(memberId, releasing);
  const deletion = job();
  await service.beginDeletePosition({ operationId: deletion.of('begin'), groupId, positionId }, call);
  await service.commitPosition({ operationId: deletion.of('commit'), positionId }, call);
  await undo(releasing.of('release'));
  t.deepEqual(await boundTo(groupId, memberId), [leading]);
});

test('what was begun before the member was closed is done to its end', async (t) => {
  const { groupId, leading } = await createGroup();
  const [memberId, binding, at] = [randomUUID(), job(), job()];
  await begin(groupId, memberId, { bind: [leading] }, binding);
  await closeMember(memberId, at);
  await commit(binding);
  t.deepEqual(await boundTo(groupId, memberId), [leading]);
  await release(memberId, at);
  t.deepEqual(await boundTo(groupId, memberId), []);
});

test('those who go on binding a member do not hold up its deletion', async (t) => {
  const [one, two] = [await createGroup(), await createGroup()];
  const [memberId, at] = [randomUUID(), job()];
  const tried: string[] = [];
  let isOver = false;
  // One job after the other, of which each begins before the last one ends: at every moment one is at the member.
  const senders = async (): Promise<void> => {
    let last: Job | undefined;
    for (let count = 0; !isOver; count++) {
      const next = job();
      const { groupId, leading } = count % 2 === 0 ? one : two;
      const code = await begin(groupId, memberId, { bind: [leading] }, next).then(
        () => 'begun',
        (error: MusubiError) => error.code,
      );
      tried.push(code);
      if (last) await undo(last.of('begin'));
      last = code === 'begun' ? next : undefined;
      if (code !== 'begun') await sleep(5);
    }
    if (last) await undo(last.of('begin'));
  };
  const sending = senders();
  await until(() => tried.length >= 10);
  await closeMember(memberId, at);
  const deadline = Date.now() + 5_000;
  let isReleased = false;
  while (!isReleased && Date.now() < deadline)
    isReleased = await release(memberId, at).then(
      () => true,
      (error: unknown) => {
        if (error instanceof MusubiError && error.retryable) return false;
        throw error;
      },
    );
  isOver = true;
  await sending;
  t.true(isReleased, 'it got through');
  t.deepEqual([...new Set(tried)].sort(), ['MEMBER_DELETING', 'begun']);
});

test('the undo of a release waits for who deletes a position that it gives back', async (t) => {
  const { groupId, leading } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId, leading] });
  const [deletion, releasing] = [job(), job()];
  await closeAndRelease(memberId, releasing);
  await service.beginDeletePosition({ operationId: deletion.of('begin'), groupId, positionId }, call);
  t.like(await t.throwsAsync(undo(releasing.of('release'))), { code: 'POSITION_BUSY', retryable: true });
  await t.notThrowsAsync(service.commitPosition({ operationId: deletion.of('commit'), positionId }, call));
  await undo(releasing.of('release'));
  t.deepEqual(await boundTo(groupId, memberId), [leading]);
});

test('the undo of a release meets who begins to delete a position that it gives back: it is not bound to what goes', async (t) => {
  const { groupId } = await createGroup();
  const { positionId } = await createPosition(groupId);
  const memberId = randomUUID();
  await change(groupId, memberId, { bind: [positionId] });
  const [deletion, releasing] = [job(), job()];
  await closeAndRelease(memberId, releasing);
  let undoing: Promise<string> | undefined;
  await db.transaction(async (tx) => {
    await beginDeletePosition.do(tx, { operationId: deletion.of('begin'), groupId, positionId });
    let isOver = false;
    undoing = undo(releasing.of('release'))
      .then(() => 'undone')
      .catch((error: MusubiError) => error.code)
      .finally(() => {
        isOver = true;
      });
    const waits = sql`select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`;
    await until(async () => isOver || (await db.query(waits)).length > 0);
  });
  t.is(await undoing, 'POSITION_BUSY');
  await t.notThrowsAsync(service.commitPosition({ operationId: deletion.of('commit'), positionId }, call));
  await undo(releasing.of('release'));
  t.deepEqual(await boundTo(groupId, memberId), []);
});
