import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { type Attempt, type AttemptRates, Attempts } from './attempts.ts';
import { openTestAuth, type TestAuth } from './auth.fixture.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

/** So slow that nothing comes back during a test. */
const slow = (burst: number) => ({ burst, everySeconds: 3_600 });
const RATES: AttemptRates = { sourceAndLogin: slow(3), source: slow(6), login: slow(9) };
const attemptsWith = (rates: Partial<AttemptRates> = {}) =>
  new Attempts(auth.store.attempts, { ...RATES, ...rates }, auth.masterKey);

const stranger = (given: Partial<Attempt> = {}): Attempt => ({
  login: `login-${randomUUID()}`,
  source: `source-${randomUUID()}`,
  known: false,
  ...given,
});
const REFUSED = { code: 'TOO_MANY_ATTEMPTS', message: 'Too many failed logins; try again later.' };

/** How many of so many guesses are granted; each is a wrong one. */
async function granted(attempts: Attempts, attempt: () => Attempt, count: number): Promise<number> {
  let all = 0;
  for (let i = 0; i < count; i++) {
    const taken = await attempts.take(attempt()).catch(() => undefined);
    await taken?.end(true);
    if (taken) all++;
  }
  return all;
}

test('after its burst a bucket grants nothing, says when it will, and then grants one by one', async (t) => {
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => own.close());
  const attempts = new Attempts(own.store.attempts, RATES, own.masterKey);
  /** The store's time can't be set: what it is compared with can. */
  const letPass = (seconds: number) =>
    own.store.attempts.updateMany({}, [{ $set: { fullAt: { $subtract: ['$fullAt', seconds * 1_000] } } }]);
  const one = stranger({ known: true });
  t.is(await granted(attempts, () => one, 3), 3);
  for (const refused of [attempts.take(one), attempts.check(one)]) {
    const { retryAfterSeconds = 0 } = (await t.throwsAsync(refused, REFUSED)) as MusubiError;
    t.true(retryAfterSeconds > 3_500 && retryAfterSeconds <= 3_600, `${retryAfterSeconds} s`);
  }
  await letPass(3_600);
  await t.notThrowsAsync(attempts.check(one));
  t.is(await granted(attempts, () => one, 2), 1);
  await letPass(100 * 3_600);
  t.is(await granted(attempts, () => one, 5), 3, 'and after a long time its whole burst, no more');
});

// Serial: it compares all buckets.
test.serial('a look takes nothing and writes nothing', async (t) => {
  const attempts = attemptsWith();
  const one = stranger();
  const buckets = () => auth.store.attempts.find({}).sort({ _id: 1 }).toArray();
  const none = await buckets();
  for (let i = 0; i < 20; i++) await attempts.check(one);
  t.deepEqual(await buckets(), none);
  t.is(await granted(attempts, () => one, 5), 3);
  const used = await buckets();
  for (let i = 0; i < 5; i++) await t.throwsAsync(attempts.check(one), REFUSED);
  t.deepEqual(await buckets(), used);
});

test('guesses side by side are granted as many as there are', async (t) => {
  const attempts = attemptsWith();
  const one = stranger();
  const all = await Promise.allSettled(Array.from({ length: 40 }, () => attempts.take(one)));
  t.is(all.filter(({ status }) => status === 'fulfilled').length, 3);
  for (const answer of all) if (answer.status === 'rejected') t.like(answer.reason, REFUSED);
});

test('a guess that is counted while another looks is seen by that one', async (t) => {
  let answered: Promise<void> | undefined;
  const slowly = new Proxy(auth.store.attempts, {
    get(target, name) {
      const value = Reflect.get(target, name);
      if (name !== 'find') return typeof value === 'function' ? value.bind(target) : value;
      return (...asked: Parameters<typeof target.find>) => ({
        toArray: async () => {
          const found = await target.find(...asked).toArray();
          await answered;
          return found;
        },
      });
    },
  });
  const attempts = new Attempts(slowly, { ...RATES, sourceAndLogin: slow(1) }, auth.masterKey);
  const one = stranger();
  const first = await attempts.take(one);
  const answer = Promise.withResolvers<void>();
  answered = answer.promise;
  const second = attempts.take(one);
  const counted = first.end(true);
  await Promise.race([counted, sleep(200)]);
  answer.resolve();
  await t.throwsAsync(second, REFUSED);
  await counted;
  await t.throwsAsync(attempts.take(one), REFUSED);
});

test('each process grants what the store has left, and what was too much in all is paid back', async (t) => {
  const [here, there] = [attemptsWith(), attemptsWith()];
  const one = stranger();
  const all = await Promise.allSettled(Array.from({ length: 40 }, (_, i) => (i % 2 === 0 ? here : there).take(one)));
  const guesses = all.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
  t.is(guesses.length, 6);
  await Promise.all(guesses.map((guess) => guess.end(true)));
  for (const attempts of [here, there]) {
    const { retryAfterSeconds = 0 } = (await t.throwsAsync(attempts.take(one), REFUSED)) as MusubiError;
    t.true(retryAfterSeconds > 4 * 3_600 - 100 && retryAfterSeconds <= 4 * 3_600, `${retryAfterSeconds} s`);
  }
});

// Serial: it compares all buckets.
test.serial('a guess that was right, or was never looked at, counts no more, and nothing is written for it', async (t) => {
  const attempts = attemptsWith();
  const one = stranger();
  const buckets = () => auth.store.attempts.find({}).sort({ _id: 1 }).toArray();
  const none = await buckets();
  for (let i = 0; i < 20; i++) await (await attempts.take(one)).end(false);
  t.deepEqual(await buckets(), none);
  t.is(await granted(attempts, () => one, 5), 3);
});

test('each bound holds, and who is refused by one takes nothing from the others', async (t) => {
  const attempts = attemptsWith();
  const { source } = stranger();
  t.is(await granted(attempts, () => stranger({ source }), 10), 6, 'of a source, over all logins');
  const { login } = stranger();
  const few = Array.from({ length: 3 }, () => stranger({ login }).source);
  let next = 0;
  const ofFew = () => stranger({ login, source: few[next++ % few.length] as string });
  t.is(await granted(attempts, ofFew, 20), 9, 'for a login, over all sources');

  const other = stranger();
  for (let i = 0; i < 5; i++) await t.throwsAsync(attempts.take({ ...other, source }), REFUSED);
  for (let i = 0; i < 5; i++) await t.throwsAsync(attempts.take({ ...other, login, source: few[0] as string }), REFUSED);
  t.is(await granted(attempts, () => stranger({ login: other.login }), 20), 18, 'what was refused did not count');
  t.is(await granted(attempts, () => stranger({ source: other.source }), 12), 6);
});

test('a few strangers do not keep out a member who has never logged in anywhere, though many do', async (t) => {
  const attempts = attemptsWith();
  const { login } = stranger();
  const few = Array.from({ length: 3 }, () => stranger({ login }));
  for (const one of few) t.is(await granted(attempts, () => one, 20), 3);
  for (const one of few) await t.throwsAsync(attempts.take(one), REFUSED);
  t.is(await granted(attempts, () => stranger({ source: few[0]?.source as string }), 20), 3, 'its source has guesses at others');

  const member = stranger({ login });
  const right = await attempts.take(member);
  await right.end(false);
  const wrong = await attempts.take(member);
  await t.throwsAsync(attempts.take(member), REFUSED, 'not two side by side');
  await wrong.end(true);
  await t.throwsAsync(attempts.take(member), REFUSED, 'it has guessed now');
  t.is(await granted(attempts, () => stranger({ login }), 20), 8, 'as many sources as the login has guesses');
  await t.throwsAsync(attempts.take(stranger({ login })), REFUSED);
});

test('no stranger takes anything from a known source or a known device', async (t) => {
  const attempts = attemptsWith();
  const { login, source } = stranger();
  await granted(attempts, () => stranger({ login }), 40);
  await granted(attempts, () => stranger({ source }), 20);
  await t.throwsAsync(attempts.take(stranger({ login })), REFUSED, 'elsewhere the member is a stranger, too');
  t.is(await granted(attempts, () => stranger({ login, source, known: true }), 5), 3);
  await t.throwsAsync(attempts.check(stranger({ login, source, known: true })), REFUSED);
  t.is(await granted(attempts, () => stranger({ login, source, device: 'a' }), 5), 3, 'not even one at the same source');
  t.is(await granted(attempts, () => stranger({ login, source, device: 'b' }), 5), 3);
});

test('a bucket names nobody, and is gone when it is full again', async (t) => {
  const one = stranger({ login: `hana-${randomUUID()}`, source: '192.0.2.77' });
  await (await attemptsWith().take(one)).end(true);
  const all = await auth.store.attempts.find({}).toArray();
  t.deepEqual([...new Set(all.flatMap((bucket) => Object.keys(bucket)))].sort(), ['_id', 'fullAt']);
  t.notRegex(JSON.stringify(all), /hana|192\.0\.2/);
  const inAnHour = auth.store.clock.now() + 10 * 3_600_000;
  for (const { fullAt } of all) t.true(fullAt.getTime() < inAnHour, 'never later than its burst takes');
  const indexes = await auth.store.attempts.indexes();
  t.true(indexes.some(({ key, expireAfterSeconds }) => key.fullAt === 1 && expireAfterSeconds === 0));
});

test('a store that is away takes no guess for good: neither one that could not be counted, nor a look that failed', async (t) => {
  let isAway = false;
  const collection = new Proxy(auth.store.attempts, {
    get: (target, name) => {
      const member = Reflect.get(target, name, target) as unknown;
      if (typeof member !== 'function') return member;
      return (...given: unknown[]) => {
        if (isAway) throw new Error('away');
        return member.apply(target, given) as unknown;
      };
    },
  });
  const attempts = new Attempts(collection, { ...RATES, sourceAndLogin: slow(1) }, auth.masterKey);
  const one = stranger({ known: true });
  const guess = await attempts.take(one);
  isAway = true;
  await t.throwsAsync(async () => guess.end(true), { message: 'away' });
  await t.throwsAsync(async () => attempts.take(one), { message: 'away' });
  isAway = false;
  await (await attempts.take(one)).end(false);
  await t.notThrowsAsync(attempts.take(one));
});
