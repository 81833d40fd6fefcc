import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Handlers } from '#platform/grpc/server.ts';
import type { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { defaultPositionId } from './domain.ts';
import { call, job, openTestPositions, UPDATE, unique } from './position.fixture.ts';
import { positionState } from './state.ts';

const { db, service, begin, createGroup, createPosition, change, positionOf, boundTo, eventsOf, close } =
  await openTestPositions('state');
const state = positionState(db).handlers as Handlers<StateServiceService>;
test.after.always(close);

const tell = (aggregateType: string, which: object = {}) =>
  Array.fromAsync(state.tellState({ aggregateType, afterId: '', limit: 0, ids: [], begun: false, ...which }, call));
const raise = async (aggregateType: string, seen: { id: string; version: number }[]) => {
  const versions = seen.map((one) => ({ type: aggregateType, ...one }));
  return (await state.raiseVersions({ aggregateType, seen: versions }, call)).written;
};

test('positions are told, those that are being made on request only', async (t) => {
  const { groupId, leading, ofMembers } = await createGroup();
  const { positionId, name } = await createPosition(groupId);
  const making = { operationId: job().of('begin'), groupId, positionId: randomUUID(), name: 'Made', permissions: [] };
  await service.beginCreatePosition(making, call);
  const ids = [leading, ofMembers, positionId, making.positionId, randomUUID()];
  const told = await tell('position', { ids });
  t.deepEqual(told.map(({ id }) => id).sort(), [leading, ofMembers, positionId].sort());
  const one = told.find(({ id }) => id === positionId);
  t.like(one, { version: 1, changing: false });
  t.like(JSON.parse(one?.payloadJson ?? ''), {
    positionId,
    version: 1,
    position: { groupId, name, permissions: [{ action: 'group.update', reach: 'REACH_HERE' }] },
  });
  const begun = await tell('position', { ids, begun: true });
  t.like(
    begun.find(({ id }) => id === making.positionId),
    { version: 0, changing: true },
  );
});

test('what members are bound to is told by page or by IDs, in one order', async (t) => {
  const { groupId, leaderId, leading } = await createGroup();
  const other = await createGroup();
  const [memberId, gone] = [randomUUID(), randomUUID()];
  await change(groupId, gone, { bind: [leading] });
  await change(groupId, gone, { releaseAll: true });
  await begin(groupId, memberId, { bind: [leading] });
  const all = await tell('bindings');
  const mine = [`${groupId}.${leaderId}`, `${groupId}.${gone}`, `${other.groupId}.${other.leaderId}`];
  for (const id of mine) t.true(all.some((one) => one.id === id));
  t.false(
    all.some(({ id }) => id.endsWith(memberId)),
    'nothing was told of it yet',
  );
  const paged: string[] = [];
  for (
    let page = await tell('bindings', { limit: 1 });
    page[0];
    page = await tell('bindings', { limit: 1, afterId: paged.at(-1) })
  )
    paged.push(page[0].id);
  t.deepEqual(
    paged,
    all.map(({ id }) => id),
  );
  const told = await tell('bindings', { ids: [...mine, `${groupId}.${memberId}`, 'nothing'], begun: true });
  t.is(told.length, 4);
  t.like(
    told.find(({ id }) => id.endsWith(memberId)),
    { version: 0, changing: true },
  );
  const [first] = await tell('bindings', { ids: mine.slice(0, 1) });
  t.like(JSON.parse(first?.payloadJson ?? ''), { groupId, memberId: leaderId, version: 1, bindings: [{ positionId: leading }] });
});

test('what readers have in a newer version gets one after that, and is told; what is not there is deleted', async (t) => {
  const { groupId, leaderId, leading, ofMembers } = await createGroup();
  const [lost, stranger] = [randomUUID(), `${groupId}.${randomUUID()}`];
  const written = await raise('position', [
    { id: leading, version: 7 },
    { id: ofMembers, version: 0 },
    { id: lost, version: 3 },
  ]);
  t.deepEqual(written, [
    { type: 'position', id: leading, version: 8 },
    { type: 'position', id: lost, version: 4 },
  ]);
  t.deepEqual(await eventsOf(leading), ['position.created 1', 'position.updated 8']);
  t.deepEqual(await eventsOf(lost), ['position.deleted 4']);
  t.is((await positionOf(ofMembers))?.version, 1);
  const making = randomUUID();
  const asked = { groupId, positionId: making, name: unique('Treasurer'), permissions: [UPDATE] };
  await service.beginCreatePosition({ operationId: job().of('begin'), ...asked }, call);
  await raise('position', [{ id: making, version: 3 }]);
  t.deepEqual(await eventsOf(making), ['position.deleted 4'], 'one that is still being made is not there');
  const id = `${groupId}.${leaderId}`;
  const raised = await raise('bindings', [
    { id, version: 4 },
    { id: stranger, version: 2 },
  ]);
  t.deepEqual(
    raised.map((one) => [one.id, one.version]).sort(),
    [
      [id, 5],
      [stranger, 3],
    ].sort(),
  );
  t.deepEqual(await raise('bindings', [{ id, version: 4 }]), [], 'it is newer already');
  t.deepEqual(await eventsOf(id), ['bindings.changed 1', 'bindings.changed 5']);
  t.deepEqual(await boundTo(groupId, leaderId), [defaultPositionId(groupId, 'leader')]);
});
