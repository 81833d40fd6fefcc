import { newId } from '#platform/validation/id.ts';
import { send } from '../../client.fixture.ts';
import { type World, worldTest } from '../../gateway.fixture.ts';
import { playedRoom, saidIn } from '../../rooms.fixture.ts';

const test = worldTest();

/** A room in which three things were said. */
function roomOf({ rooms, hanaId, members }: World): string {
  const roomId = newId();
  rooms.set(roomId, playedRoom(roomId, { memberIds: [...members.keys()], messages: saidIn(roomId, hanaId, [1, 2, 3]) }));
  return roomId;
}

test('up to where one has read is noted, and never goes back; others in the room see it', async (t) => {
  const { context: world } = t;
  const roomId = roomOf(world);
  const mark = (sequence: unknown, token = world.hana) =>
    send(world, 'PUT', `/v1/rooms/${roomId}/read`, { token, headers: { 'idempotency-key': 'x' }, body: { sequence } });
  const receipts = () => send(world, 'GET', `/v1/rooms/${roomId}/receipts`, { token: world.admin });
  t.deepEqual((await receipts()).body, { items: [] });
  for (const [given, sequence, unread] of [
    [1, 1, 2],
    [2, 2, 1],
    [1, 2, 1],
    [3, 3, 0],
  ] as const)
    t.deepEqual(await mark(given).then(({ status, body }) => ({ status, body })), { status: 200, body: { sequence, unread } });
  t.like(world.asked.at(-1), { action: 'room.read', resource: { type: 'Room', id: roomId } });
  t.deepEqual((await receipts()).body, { items: [{ memberId: world.hanaId, sequence: 3 }] });
  t.like(world.asked.at(-1), { action: 'room.read', resource: { type: 'Room', id: roomId } });
  t.like(await mark(4), { status: 409, body: { code: 'SEQUENCE_AHEAD' } });
  for (const wrong of [0, -1, 1.5, '1', null, undefined, 2 ** 53])
    t.like(await mark(wrong), { status: 400, body: { errors: [{ in: 'body', field: 'sequence' }] } }, `${wrong}`);
  t.is(world.started.length + world.jobs.size, 0);
});

test('what one has not read is told by room, without those where there is nothing', async (t) => {
  const { context: world } = t;
  const [one, two, read] = [roomOf(world), roomOf(world), roomOf(world)];
  world.rooms.get(two)?.read.set(world.hanaId, 2);
  world.rooms.get(read)?.read.set(world.hanaId, 3);
  const other = newId();
  world.rooms.set(other, playedRoom(other, { messages: saidIn(other, newId(), [1]) }));
  const answer = await send(world, 'GET', '/v1/unread', { token: world.hana });
  t.is(answer.status, 200);
  t.deepEqual(answer.body, {
    items: [
      { roomId: one, unread: 3, read: 0, last: 3 },
      { roomId: two, unread: 1, read: 2, last: 3 },
    ],
  });
  t.like(world.asked.at(-1), { action: 'room.read', resource: { type: 'Room', id: '' } });
});
