import { randomUUID } from 'node:crypto';
import test from 'ava';
import { sql } from '#platform/postgres/database.ts';
import { positionErasure } from './erasure.ts';
import { job, openTestPositions } from './position.fixture.ts';

const { db, createGroup, createPosition, change, boundTo, closeAndRelease, undo, close } = await openTestPositions('erasure');
test.after.always(close);

test('what a restored copy binds who was deleted to is taken again, and it is told', async (t) => {
  const [one, other] = [await createGroup(), await createGroup()];
  const [memberId, stays] = [randomUUID(), randomUUID()];
  const { positionId } = await createPosition(one.groupId);
  for (const id of [memberId, stays]) {
    await change(one.groupId, id, { bind: [one.leading, positionId] });
    await change(other.groupId, id, { bind: [other.leading] });
  }
  const { erase } = positionErasure(db);
  t.deepEqual(await erase([memberId]), { erased: [{ memberId, place: 'bindings', count: 3 }] });
  t.deepEqual(await erase([memberId]), { erased: [] });
  for (const { groupId } of [one, other]) {
    t.deepEqual(await boundTo(groupId, memberId), []);
    const told = await db.query(
      sql`select type, version, payload from outbox where aggregateid = ${`${groupId}.${memberId}`} order by version`,
    );
    t.like(told[1], { type: 'bindings.changed', version: 2, payload: { groupId, memberId, version: 2 } });
    t.is(told.length, 2);
  }
  t.deepEqual(await boundTo(one.groupId, stays), [one.leading, positionId].sort());
});

test('what a member was bound to until it was deleted is forgotten with it; an undo has nothing to do then', async (t) => {
  const { groupId, leading } = await createGroup();
  const [memberId, at] = [randomUUID(), job()];
  await change(groupId, memberId, { bind: [leading] });
  await closeAndRelease(memberId, at);
  t.deepEqual(await positionErasure(db).erase([memberId]), { erased: [{ memberId, place: 'operations', count: 1 }] });
  await undo(at.of('release'));
  t.deepEqual(await boundTo(groupId, memberId), []);
});
