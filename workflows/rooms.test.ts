import anyTest, { type TestFn } from 'ava';
import { notFound } from '#platform/errors.ts';
import { INPUTS } from './inputs.fixture.ts';
import { HastySagas } from './local-temporal.fixture.ts';
import { busy, knowing, ScriptedServices } from './saga.fixture.ts';

// What the sagas of rooms ask Chat, and what they do where it refuses, or another job is at the room.

const test = anyTest as TestFn<{ sagas: HastySagas }>;
test.before(async (t) => {
  t.context = { sagas: await HastySagas.open() };
});
test.after.always((t) => t.context.sagas?.close());

const BEGINNINGS = {
  'room.create': 'beginCreateRoom',
  'room.open-direct': 'beginOpenDirect',
  'room.update': 'beginUpdateRoom',
  'room.delete': 'beginDeleteRoom',
  'room.add-member': 'beginAddRoomMember',
  'room.remove-member': 'beginRemoveRoomMember',
} as const;

/** Whose sockets are narrowed before it is acknowledged: of a room that is gone, of all whom Chat says to have left. */
const NARROWED: Readonly<Record<string, string[]>> = {
  'room.delete': ['member-1', 'member-2'],
  'room.remove-member': [INPUTS['room.remove-member'].memberId],
};

for (const [command, beginning] of Object.entries(BEGINNINGS) as [keyof typeof BEGINNINGS, string][]) {
  const input = INPUTS[command];
  const { roomId } = input;
  const narrowed = NARROWED[command];
  const commits = ['commitRoom', ...(narrowed ? ['narrowSockets'] : [])];

  test(`${command}: what is begun in Chat is committed once Auth has allowed it`, async (t) => {
    const services = new ScriptedServices({});
    const handle = await t.context.sagas.run(command, input, services);
    t.deepEqual(services.steps, [beginning, 'confirmPermit', ...commits]);
    const [begun, , committed] = services.received;
    const { operationId: _, permit: __, ...asked } = begun?.request ?? {};
    t.deepEqual(asked, { ...input });
    t.like(committed?.request, { roomId });
    const narrowing = services.received.find(({ name }) => name === 'websocket.narrowSockets')?.request;
    t.deepEqual(narrowing?.members, narrowed && { memberIds: narrowed });
    t.deepEqual(await handle.result(), { id: roomId });
    t.is(services.states.at(-1), 'COMPLETED');
  });

  test(`${command}: it waits for another job at the room; refused it changes nothing; lost past its pivot it is finished`, async (t) => {
    const { sagas } = t.context;
    const waiting = new ScriptedServices({ [`chat.${beginning}`]: (attempt) => (attempt <= 2 ? busy : undefined) });
    await sagas.run(command, input, waiting);
    t.deepEqual(waiting.steps, [beginning, beginning, beginning, 'confirmPermit', ...commits]);
    const hidden = new ScriptedServices({ [`chat.${beginning}`]: [notFound('ROOM_NOT_FOUND')] });
    await sagas.run(command, input, hidden);
    t.deepEqual(hidden.effects, []);
    t.like(hidden.end, { state: 'JOB_STATE_FAILED', error: { code: 'ROOM_NOT_FOUND' } });
    const lost = knowing([`chat.${beginning}`, 'auth.confirmPermit']);
    await sagas.run('saga.recover', { command, aggregateId: roomId, undoing: false }, lost);
    t.deepEqual(lost.steps, commits);
    t.like(lost.received.find(({ name }) => name === 'chat.commitRoom')?.request, { roomId });
  });
}
