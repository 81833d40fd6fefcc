import { randomUUID } from 'node:crypto';
import test from 'ava';
import { pino } from 'pino';
import type { MusubiError } from '#platform/errors.ts';
import { metrics } from '#platform/process/telemetry.ts';
import type { AttemptRates } from '../attempts.ts';
import { CHEAP, freshLogin, loginOf, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { KNOWN_SOURCE_MS, KNOWN_SOURCES_KEPT } from '../domain.ts';
import { HashQueue } from '../hash-queue.ts';
import type { Passwords } from '../passwords.ts';
import { logIn } from './log-in.ts';

const slow = (burst: number) => ({ burst, everySeconds: 3_600 });
const RATES: AttemptRates = { sourceAndLogin: slow(3), source: slow(6), login: slow(9) };
const lines: Record<string, unknown>[] = [];
const log = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { rates: RATES, log });
});
test.after.always(() => auth?.close());

const freshSource = () => `source-${randomUUID()}`;
const WRONG = { code: 'BAD_CREDENTIALS' };
const REFUSED = { code: 'TOO_MANY_ATTEMPTS', message: 'Too many failed logins; try again later.' };

async function registered() {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const from = (source: string, given: { password?: string; deviceCookie?: string } = {}) =>
    logIn(auth, { ...loginOf(loginId), source, ...given });
  const wrong = (source: string, given: { deviceCookie?: string } = {}) => from(source, { password: 'wrong password', ...given });
  return { loginId, memberId, from, wrong };
}

/** A stranger tries from one place after the other, until the login is refused to all strangers. */
async function besiege(wrong: (source: string) => Promise<unknown>): Promise<void> {
  for (;;) {
    const code = await wrong(freshSource()).catch(({ code }: MusubiError) => code);
    if (code === 'TOO_MANY_ATTEMPTS') return;
  }
}

test('after a few wrong passwords the right one is refused from there, in the same words whether the login exists or not', async (t) => {
  const { from, wrong } = await registered();
  const source = freshSource();
  for (let i = 0; i < 3; i++) await t.throwsAsync(wrong(source), WRONG);
  const exists = await t.throwsAsync(from(source), REFUSED);
  const nobody = { ...loginOf(freshLogin()), source: freshSource() };
  for (let i = 0; i < 3; i++) await t.throwsAsync(logIn(auth, nobody), WRONG);
  const unknown = await t.throwsAsync(logIn(auth, nobody), REFUSED);
  for (const key of ['code', 'message', 'grpcStatus', 'fields'] as const)
    t.deepEqual((exists as MusubiError)[key], (unknown as MusubiError)[key]);
  for (const refused of [exists, unknown]) t.true(((refused as MusubiError).retryAfterSeconds ?? 0) > 3_500);
  await t.notThrowsAsync(from(freshSource()), 'another place is not concerned');
});

test('who is refused waits for no hash', async (t) => {
  const queue = new HashQueue(1, 8);
  const one = await auth.sibling({ queue });
  t.teardown(() => one.lifecycle.stop('done'));
  const attempt = { ...loginOf(freshLogin()), source: freshSource() };
  for (let i = 0; i < 3; i++) await t.throwsAsync(logIn(one, attempt), WRONG);
  const hash = Promise.withResolvers<void>();
  const running = queue.run(['unknown'], () => hash.promise);
  await t.throwsAsync(logIn(one, attempt), REFUSED);
  hash.resolve();
  await running;
});

test('no stranger keeps a member out of where it has been before, nor its device out of anywhere', async (t) => {
  const { memberId, from, wrong } = await registered();
  const home = freshSource();
  const { deviceCookie } = await from(home);
  await besiege(wrong);
  await t.throwsAsync(from(freshSource()), REFUSED, 'elsewhere it is one of the strangers');
  await t.notThrowsAsync(from(home), 'at home');
  await t.notThrowsAsync(from(freshSource(), { deviceCookie }), 'with its device');

  // A stranger at home, on another device.
  for (let i = 0; i < 3; i++) await t.throwsAsync(wrong(home), WRONG);
  await t.throwsAsync(from(home), REFUSED);
  const again = await from(home, { deviceCookie });
  const deviceOf = (cookie: string) => auth.deviceCookies.deviceOf(cookie, memberId);
  t.is(deviceOf(again.deviceCookie), deviceOf(deviceCookie), 'a device keeps its name, and so its tries');
  await t.notThrowsAsync(from(freshSource(), { deviceCookie: again.deviceCookie }), 'each login gives a cookie that is good');
});

test('a device guesses no more than anybody, and its cookie is good for its own member only', async (t) => {
  const { from, wrong } = await registered();
  const { deviceCookie } = await from(freshSource());
  await besiege(wrong);
  for (let i = 0; i < 3; i++) await t.throwsAsync(wrong(freshSource(), { deviceCookie }), WRONG);
  await t.throwsAsync(from(freshSource(), { deviceCookie }), REFUSED);

  const other = await registered();
  await besiege(other.wrong);
  await t.throwsAsync(other.from(freshSource(), { deviceCookie }), REFUSED);
});

test('whoever has stolen a device cookie and used up its guesses does not keep its owner out', async (t) => {
  const { memberId, from, wrong } = await registered();
  const [home, elsewhere] = [freshSource(), freshSource()];
  const { deviceCookie } = await from(home);
  const codes = await Promise.all(
    Array.from({ length: 20 }, () => wrong(elsewhere, { deviceCookie }).catch(({ code }: MusubiError) => code)),
  );
  t.is(codes.filter((code) => code === 'BAD_CREDENTIALS').length, 6, 'those of the device, and those of any stranger');
  // A browser always sends its cookie.
  const again = await from(home, { deviceCookie });
  await t.throwsAsync(from(elsewhere, { deviceCookie }), REFUSED, 'the thief is a stranger');
  const deviceOf = (cookie: string) => auth.deviceCookies.deviceOf(cookie, memberId);
  t.not(deviceOf(again.deviceCookie), deviceOf(deviceCookie), 'and the owner has a device of its own again');
  await t.notThrowsAsync(from(freshSource(), { deviceCookie: again.deviceCookie }));
});

test('a source that tries many logins is refused for all but those that it has opened before', async (t) => {
  const { from } = await registered();
  const source = freshSource();
  await from(source);
  for (let i = 0; i < 6; i++) await t.throwsAsync(logIn(auth, { ...loginOf(freshLogin()), source }), WRONG);
  const other = await registered();
  await t.throwsAsync(other.from(source), REFUSED);
  await t.notThrowsAsync(from(source));
  await t.notThrowsAsync(other.from(freshSource()));
});

test('guesses side by side count before any of them is looked at', async (t) => {
  const { wrong } = await registered();
  const source = freshSource();
  const outcomes = await Promise.all(Array.from({ length: 40 }, () => wrong(source).catch(({ code }: MusubiError) => code)));
  t.is(outcomes.filter((code) => code === 'BAD_CREDENTIALS').length, 3);
  t.deepEqual([...new Set(outcomes)].sort(), ['BAD_CREDENTIALS', 'TOO_MANY_ATTEMPTS']);
});

test('what was right, or never looked at, does not count', async (t) => {
  const queue = new HashQueue(1, 8);
  const one = await auth.sibling({ queue });
  t.teardown(() => one.lifecycle.stop('done'));
  const loginId = freshLogin();
  await one.member({ loginId });
  const source = freshSource();
  const right = { ...loginOf(loginId), source };
  for (let i = 0; i < 10; i++) await logIn(one, right);
  const hash = Promise.withResolvers<void>();
  const running = queue.run(['registration'], () => hash.promise);
  const gone = new AbortController();
  const left = Array.from({ length: 30 }, () => logIn(one, right, gone.signal).catch(({ code }: MusubiError) => code));
  // The first of them wait for their hash by the time that the last are refused a place.
  t.is(await Promise.race(left), 'TOO_BUSY');
  gone.abort();
  t.deepEqual([...new Set(await Promise.all(left))].sort(), ['CALLER_GONE', 'TOO_BUSY']);
  hash.resolve();
  await running;
  for (let i = 0; i < 3; i++) await t.throwsAsync(logIn(one, { ...right, password: 'wrong password' }), WRONG);
  await t.throwsAsync(logIn(one, right), REFUSED);
});

test('a login whose hash fails, of no fault of its own, does not count', async (t) => {
  const { memberId, from, wrong } = await registered();
  const source = freshSource();
  const memory = async (kib: number) =>
    void (await auth.store.members.updateOne({ _id: memberId }, { $set: { 'password.memory': kib } }));
  await memory(2 ** 33);
  for (let i = 0; i < 5; i++) await t.throwsAsync(from(source), { name: 'RangeError' });
  await memory(CHEAP.memory);
  for (let i = 0; i < 3; i++) await t.throwsAsync(wrong(source), WRONG);
  await t.throwsAsync(from(source), REFUSED);
});

test('a client that left while its password was looked at gets no session that nobody has the token of', async (t) => {
  const { loginId, memberId } = await registered();
  const gone = new AbortController();
  const passwords = {
    verify: async (...given: Parameters<Passwords['verify']>) => {
      const genuine = await auth.passwords.verify(...given);
      gone.abort();
      return genuine;
    },
  } as Passwords;
  await t.throwsAsync(logIn({ ...auth, passwords }, loginOf(loginId), gone.signal), { code: 'CALLER_GONE' });
  t.deepEqual((await auth.store.members.findOne({ _id: memberId }))?.sessions, []);
});

test('a member is known at the sources of its newest logins, for a while, under names that tell nothing', async (t) => {
  let now = Date.now();
  const one = await auth.sibling({ now: () => now });
  t.teardown(() => one.lifecycle.stop('done'));
  const loginId = freshLogin();
  const memberId = await one.member({ loginId });
  const from = (source: string) => logIn(one, { ...loginOf(loginId), source });
  const sources = Array.from({ length: KNOWN_SOURCES_KEPT + 1 }, freshSource);
  for (const source of sources) await from(source);
  const [first = '', second = ''] = sources;
  const stored = await one.store.members.findOne({ _id: memberId });
  t.is(stored?.knownSources?.length, KNOWN_SOURCES_KEPT);
  for (const source of sources) t.false(JSON.stringify(stored).includes(source));

  await besiege((source) => logIn(one, { ...loginOf(loginId, 'wrong password'), source }));
  await t.throwsAsync(from(first), REFUSED, 'one too many ago');
  await t.notThrowsAsync(from(second));
  now += KNOWN_SOURCE_MS - 1_000;
  await t.notThrowsAsync(from(second), 'and it is used again');
  now += KNOWN_SOURCE_MS - 1_000;
  await t.notThrowsAsync(from(second));
  now += KNOWN_SOURCE_MS + 1_000;
  await t.throwsAsync(from(second), REFUSED, 'too long ago');
});

// Serial: it counts.
test.serial(
  'a failed login can be traced to its source, and its log line tells no login that is none, and no password',
  async (t) => {
    const outcomes = async () => {
      const all = (await metrics.getMetricsAsJSON()).find(({ name }) => name === 'musubi_auth_logins_total')?.values ?? [];
      return Object.fromEntries(all.map(({ labels, value }) => [labels.outcome, value]));
    };
    const before = await outcomes();
    const { loginId, memberId, from, wrong } = await registered();
    const source = freshSource();
    for (let i = 0; i < 3; i++) await t.throwsAsync(wrong(source), WRONG);
    await t.throwsAsync(from(source), REFUSED);
    const mistyped = 'my password in the wrong field';
    await t.throwsAsync(logIn(auth, { ...loginOf(mistyped), source }), WRONG);
    const home = freshSource();
    await from(home);

    const mine = lines.filter((line) => line.source === source);
    t.deepEqual(
      mine.map(({ outcome, memberId: whose }) => [outcome, whose]),
      [
        ...Array.from({ length: 3 }, () => ['BAD_CREDENTIALS', memberId]),
        ['TOO_MANY_ATTEMPTS', memberId],
        ['BAD_CREDENTIALS', undefined],
      ],
    );
    t.is(new Set(mine.map(({ login }) => login)).size, 2, 'attempts for one login can be told from others');
    t.like(
      lines.find((line) => line.source === home),
      { outcome: 'ok', memberId },
    );
    for (const secret of [mistyped, PASSWORD, 'wrong password', loginId]) t.false(JSON.stringify(lines).includes(secret), secret);
    const after = await outcomes();
    for (const [outcome, count] of [
      ['BAD_CREDENTIALS', 4],
      ['TOO_MANY_ATTEMPTS', 1],
      ['ok', 1],
    ] as const)
      t.is((after[outcome] ?? 0) - (before[outcome] ?? 0), count, outcome);
  },
);
