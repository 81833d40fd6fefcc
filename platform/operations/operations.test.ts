import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { OperationState } from '#proto/musubi/operation/v1/operation.ts';
import { failedPrecondition, MusubiError } from '../errors.ts';
import { becomeOf } from './operation.ts';
import { fixtures, type Held } from './operations.fixture.ts';

/** Tries again what met others, as sagas do: on a busy machine a store lets them go before it is their turn. */
async function whileBusy<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MusubiError && error.grpcStatus === status.ABORTED)) throw error;
    }
  }
}

// One suite for every store: what a saga may rely on must not depend on where a service keeps its state.
for (const [store, open] of Object.entries(fixtures)) {
  const suite = open();
  test.before(`${store}: open`, () => suite.ready());
  test.after.always(`${store}: clean up`, () => suite.close());

  test(`${store}: an event that keeps its order with others is kept so, or refused: never written without`, async (t) => {
    const id = suite.newId();
    if (store === 'redis') await suite.put(id, 'op', 'order me');
    else await t.throwsAsync(suite.put(id, 'op', 'order me'), { message: /orderKey/ });
    t.deepEqual((await suite.state(id)).events, store === 'redis' ? ['put'] : []);
  });

  test(`${store}: a repeat answers the same and does nothing`, async (t) => {
    const id = suite.newId();
    const first = await suite.put(id, 'op', 'first');
    t.deepEqual(first, { id, was: null });
    t.deepEqual(await suite.put(id, 'op', 'second'), first);
    t.deepEqual(await suite.state(id), { value: 'first', events: ['put'] });
  });

  test(`${store}: an undo restores what was, once, and tells of it`, async (t) => {
    const id = suite.newId();
    await suite.put(id, 'one', 'kept');
    await suite.put(id, 'two', 'taken back');
    await suite.undo(id, 'two');
    await suite.undo(id, 'two');
    t.deepEqual(await suite.state(id), { value: 'kept', events: ['put', 'put', 'unput'] });
  });

  test(`${store}: after its undo an operation is refused for ever`, async (t) => {
    const id = suite.newId();
    await suite.put(id, 'op', 'value');
    await suite.undo(id, 'op');
    await t.throwsAsync(suite.put(id, 'op', 'late'), { instanceOf: MusubiError, code: 'OPERATION_UNDONE' });
    t.deepEqual(await suite.state(id), { value: null, events: ['put', 'unput'] });
  });

  test(`${store}: the undo of what never happened leaves a tombstone`, async (t) => {
    const id = suite.newId();
    await suite.undo(id, 'op');
    await suite.undo(id, 'op');
    await t.throwsAsync(suite.put(id, 'op', 'late'), { code: 'OPERATION_UNDONE' });
    t.deepEqual(await suite.state(id), { value: null, events: [] });
  });

  test(`${store}: of concurrent repeats one is done and all answer the same`, async (t) => {
    const id = suite.newId();
    const answers = await Promise.all(Array.from({ length: 12 }, () => whileBusy(() => suite.put(id, 'op', 'value'))));
    for (const answer of answers) t.deepEqual(answer, { id, was: null });
    t.deepEqual(await suite.state(id), { value: 'value', events: ['put'] });
  });

  test(`${store}: concurrent operations and undos end with nothing left`, async (t) => {
    const id = suite.newId();
    const calls = Array.from({ length: 12 }, (_, at) =>
      whileBusy<unknown>(() => (at % 2 ? suite.undo(id, 'op') : suite.put(id, 'op', 'value'))),
    );
    for (const outcome of await Promise.allSettled(calls)) {
      if (outcome.status === 'rejected') t.is((outcome.reason as MusubiError).code, 'OPERATION_UNDONE');
    }
    const { value, events } = await suite.state(id);
    t.is(value, null);
    t.true(events.length === 0 || events.join() === 'put,unput', events.join());
  });

  test(`${store}: a refusal leaves no trace, and the same operation may be tried again`, async (t) => {
    const id = suite.newId();
    await t.throwsAsync(suite.put(id, 'op', 'refuse me'), { code: 'LAST_ADMIN' });
    t.deepEqual(await suite.state(id), { value: null, events: [] });
    await suite.put(id, 'op', 'value');
    t.deepEqual(await suite.state(id), { value: 'value', events: ['put'] });
  });

  test(`${store}: what became of an operation is said as long as it is kept, and asking leaves nothing behind`, async (t) => {
    const id = suite.newId();
    const became = async () => (await suite.get(id, 'op')).state;
    t.is(await became(), OperationState.OPERATION_STATE_UNKNOWN);
    await suite.put(id, 'op', 'value');
    t.is(await became(), OperationState.OPERATION_STATE_DONE);
    await suite.age(id, 'op', 30.1);
    t.is(await became(), OperationState.OPERATION_STATE_DONE, 'also when it can not be undone any more');
    await suite.undo(id, 'never done');
    t.is((await suite.get(id, 'never done')).state, OperationState.OPERATION_STATE_UNDONE);
    await t.throwsAsync(suite.get(id, ''), { code: 'INVALID_ARGUMENT' });
  });

  test(`${store}: an operation needs an ID, of characters that every store takes`, async (t) => {
    for (const call of [
      suite.put(suite.newId(), '', 'value'),
      suite.undo(suite.newId(), ''),
      suite.put(suite.newId(), 'a\0b', 'value'),
    ]) {
      const error = await t.throwsAsync<MusubiError>(call, { instanceOf: MusubiError, code: 'INVALID_ARGUMENT' });
      t.is(error?.fields[0]?.field, 'operationId');
    }
  });

  test(`${store}: within 30 days an operation can be undone`, async (t) => {
    const id = suite.newId();
    await suite.put(id, 'op', 'value');
    await suite.age(id, 'op', 29.9);
    t.regex(await suite.record(id, 'op'), /Hanako/);
    await suite.undo(id, 'op');
    t.deepEqual(await suite.state(id), { value: null, events: ['put', 'unput'] });
    t.notRegex(await suite.record(id, 'op'), /Hanako/, 'and then nobody needs it');
  });

  test(`${store}: after 30 days nothing is kept for an undo, and it is refused; a repeat is still answered`, async (t) => {
    const id = suite.newId();
    const first = await suite.put(id, 'op', 'value');
    await suite.age(id, 'op', 30.1);
    t.notRegex(await suite.record(id, 'op'), /Hanako/);
    for (let attempt = 0; attempt < 2; attempt++) {
      const error = await t.throwsAsync<MusubiError>(suite.undo(id, 'op'), { instanceOf: MusubiError, code: 'UNDO_EXPIRED' });
      t.is(error?.grpcStatus, status.FAILED_PRECONDITION);
    }
    t.deepEqual(await suite.erase([id]), [], 'nor is there anything of a member to be erased');
    await t.throwsAsync(suite.undo(id, 'op'), { code: 'UNDO_EXPIRED' });
    await suite.age(id, 'op', 334);
    t.deepEqual(await suite.put(id, 'op', 'again'), first);
    t.deepEqual(await suite.state(id), { value: 'value', events: ['put'] });
  });

  test(`${store}: of a member that is erased nothing is kept for undos, which have nothing to do then`, async (t) => {
    const [id, other] = [suite.newId(), suite.newId()];
    const first = await suite.put(id, 'op', 'value');
    await suite.put(id, 'undone', 'value');
    await suite.undo(id, 'undone');
    await suite.put(other, 'op', 'value');
    t.deepEqual(await suite.erase([id]), [{ memberId: id, place: 'operations', count: 1 }]);
    t.deepEqual(await suite.erase([id]), []);
    for (const name of ['op', 'undone']) t.notRegex(await suite.record(id, name), /Hanako/);
    t.regex(await suite.record(other, 'op'), /Hanako/);
    t.is((await suite.get(id, 'op')).state, OperationState.OPERATION_STATE_DONE);
    t.deepEqual(await suite.put(id, 'op', 'again'), first, 'a repeat is answered');
    const before = await suite.state(id);
    await suite.undo(id, 'op');
    t.deepEqual(await suite.state(id), before, 'no saga stands because of it');
    await t.throwsAsync(suite.put(id, 'op', 'late'), { code: 'OPERATION_UNDONE' });
    await suite.undo(other, 'op');
    t.is((await suite.state(other)).value, null);
  });

  test(`${store}: a tombstone refuses for a year`, async (t) => {
    const id = suite.newId();
    await suite.undo(id, 'op');
    await suite.age(id, 'op', 364);
    await suite.undo(id, 'op');
    await t.throwsAsync(suite.put(id, 'op', 'late'), { code: 'OPERATION_UNDONE' });
  });

  test(`${store}: the year counts from the undo, however old the operation was`, async (t) => {
    const id = suite.newId();
    await suite.put(id, 'op', 'value');
    await suite.age(id, 'op', 29.9);
    await suite.undo(id, 'op');
    const [, at = ''] = /"at":"([^"]+)"/.exec(await suite.record(id, 'op')) ?? [];
    t.true(Date.parse(at) > Date.now() - 86_400_000, at);
    await suite.age(id, 'op', 364);
    await t.throwsAsync(suite.put(id, 'op', 'late'), { code: 'OPERATION_UNDONE' });
  });

  test(`${store}: what became of a job's operations is listed in the order of their IDs, page by page`, async (t) => {
    const id = suite.newId();
    const state = { done: OperationState.OPERATION_STATE_DONE, undone: OperationState.OPERATION_STATE_UNDONE };
    // Of another job, whose ID begins like this one's; and with a letter that other orders have elsewhere.
    for (const [of, name] of [
      [`${id}0`, 'op'],
      [id, 'b/2'],
      [id, 'B'],
      [id, 'b/1'],
      [id, 'c'],
    ] as const)
      await suite.put(of, name, 'value');
    await suite.undo(id, 'c');
    await suite.undo(id, 'never done');
    const all = [
      ['B', state.done],
      ['b/1', state.done],
      ['b/2', state.done],
      ['c', state.undone],
      ['never done', state.undone],
    ].map(([name, state]) => ({ operationId: `${id}/${name}`, state, written: undefined, alsoWritten: [] }));
    t.deepEqual((await suite.list(id, {})).operations, all as never);
    t.deepEqual((await suite.list(id, { pageSize: 2 })).operations, all.slice(0, 2) as never);
    t.deepEqual((await suite.list(id, { pageSize: 2, after: `${id}/b/1` })).operations, all.slice(2, 4) as never);
    t.deepEqual((await suite.list(id, { after: `${id}/never done` })).operations, []);
    t.deepEqual(
      (await suite.list(`${id}/b`, {})).operations.map(({ operationId }) => operationId),
      [`${id}/b/1`, `${id}/b/2`],
    );
    await t.throwsAsync(suite.list('', {}), { code: 'INVALID_ARGUMENT' });
    for (const pageSize of [0, 1_001]) await t.throwsAsync(suite.list(id, { pageSize }), { code: 'INVALID_ARGUMENT' });
  });

  const { hold, crash } = suite;
  if (hold) {
    test(`${store}: an undo waits for an operation that is under way, then takes it back`, async (t) => {
      const id = suite.newId();
      const held: Held = await hold(id, 'op', 'value');
      const undo = suite.undo(id, 'op');
      await sleep(100);
      held.letGo();
      await Promise.allSettled([held.done, undo]);
      await undo;
      t.is((await suite.state(id)).value, null);
    });

    test(`${store}: an operation that fails after its writes leaves no trace`, async (t) => {
      const id = suite.newId();
      const held = await hold(id, 'op', 'value');
      held.fail(failedPrecondition('LAST_ADMIN', 'after the write'));
      await t.throwsAsync(held.done, { code: 'LAST_ADMIN' });
      t.deepEqual(await suite.state(id), { value: null, events: [] });
    });
  }
  if (crash) {
    test(`${store}: a connection that dies before the commit leaves no trace; the repeat does it`, async (t) => {
      const id = suite.newId();
      const error = await t.throwsAsync<MusubiError>(crash(id, 'op', 'value'), { instanceOf: MusubiError });
      t.true(error?.retryable);
      t.deepEqual(await suite.state(id), { value: null, events: [] });
      t.deepEqual(await suite.put(id, 'op', 'value'), { id, was: null });
      t.deepEqual(await suite.state(id), { value: 'value', events: ['put'] });
    });
  }
}

test('of an operation that is done it is said what it wrote', (t) => {
  const written = { type: 'thing', id: 'a', version: 3 };
  const done = { state: OperationState.OPERATION_STATE_DONE };
  t.deepEqual(becomeOf({ state: 'final', result: { written } }), { ...done, written, alsoWritten: [] });
  const other = { ...written, id: 'b' };
  t.deepEqual(becomeOf({ state: 'done', result: { written: [written, other] } }), { ...done, written, alsoWritten: [other] });
  t.deepEqual(becomeOf({ state: 'done', result: { written: [] } }), { ...done, written: undefined, alsoWritten: [] });
  t.is(becomeOf({ state: 'undone', result: { written } }).written, undefined);
});
