import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { MusubiError } from '#platform/errors.ts';
import { CHEAP } from './auth.fixture.ts';
import { HashQueue } from './hash-queue.ts';
import { Passwords } from './passwords.ts';

const passwords = new Passwords(CHEAP, new HashQueue(1, 10));

test('a password is verified against its own hash only', async (t) => {
  const hash = await passwords.hash('correct horse');
  t.true(await passwords.verify('correct horse', hash));
  t.false(await passwords.verify('correct horsE', hash));
  t.false(await passwords.verify('', hash));
  t.false(await passwords.verify('correct horse', undefined), 'an unknown login has no password');
  t.not((await passwords.hash('correct horse')).hash, hash.hash, 'every hash has its own salt');
});

test('the same characters in another form are the same password', async (t) => {
  const hash = await passwords.hash('Ｂücher がある');
  t.true(await passwords.verify('Bu\u0308cher か\u3099ある', hash));
});

test('a hash says how it was made, so that a changed cost still verifies it', async (t) => {
  const hash = await passwords.hash('correct horse');
  t.like(hash, { algorithm: 'argon2id', ...CHEAP });
  const dearer = new Passwords({ ...CHEAP, passes: 2 }, new HashQueue(1, 10));
  t.true(await dearer.verify('correct horse', hash));
  t.true(dearer.outdated(hash));
  t.false(passwords.outdated(hash));
});

test('no more run at once than allowed, in order; one too many is refused', async (t) => {
  const queue = new HashQueue(2, 3);
  let running = 0;
  let most = 0;
  const order: number[] = [];
  const work = (id: number) => async () => {
    most = Math.max(most, ++running);
    order.push(id);
    await sleep(5);
    running--;
  };
  const accepted = [1, 2, 3, 4, 5].map((id) => queue.run(work(id)));
  const error = await t.throwsAsync(queue.run(work(6)), { instanceOf: MusubiError });
  t.is(error.code, 'TOO_BUSY');
  t.true(error.retryable);
  await Promise.all(accepted);
  t.is(most, 2);
  t.deepEqual(order, [1, 2, 3, 4, 5]);
  await t.notThrowsAsync(queue.run(work(7)), 'and free again');
});

test('a caller that gives up while waiting leaves the queue', async (t) => {
  const queue = new HashQueue(1, 1);
  const first = queue.run(() => sleep(20));
  const abort = new AbortController();
  const second = queue.run(() => Promise.resolve(t.fail('must not run')), abort.signal);
  abort.abort();
  await t.throwsAsync(second, { code: 'CALLER_GONE' });
  t.is(await queue.run(async () => 'third'), 'third', 'its place is free');
  await first;
});

test('a failure frees its turn', async (t) => {
  const queue = new HashQueue(1, 1);
  await t.throwsAsync(
    queue.run(() => Promise.reject(new Error('no memory'))),
    { message: 'no memory' },
  );
  t.is(await queue.run(async () => 1), 1);
});
