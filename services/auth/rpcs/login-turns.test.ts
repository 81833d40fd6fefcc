import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { MusubiError } from '#platform/errors.ts';
import { until } from '#platform/until.fixture.ts';
import { freshLogin, loginOf, openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { HashQueue, type Turn } from '../hash-queue.ts';
import { logIn } from './log-in.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

const freshSource = () => `source-${randomUUID()}`;

test('logins wait with their like: unknown ones, those from a known source, those of a device', async (t) => {
  const turns: Turn[] = [];
  const queue = new HashQueue(1, 8);
  const run = queue.run.bind(queue);
  queue.run = (turn, work, signal) => {
    turns.push(turn);
    return run(turn, work, signal);
  };
  const one = await auth.sibling({ queue });
  t.teardown(() => one.lifecycle.stop('done'));
  const login = freshLogin();
  const memberId = await one.member({ loginId: login });
  const source = freshSource();
  const { deviceCookie } = await logIn(one, { ...loginOf(login), source });
  await logIn(one, { ...loginOf(login), source });
  const elsewhere = freshSource();
  await logIn(one, { ...loginOf(login), source: elsewhere, deviceCookie });
  const device = one.deviceCookies.deviceOf(deviceCookie, memberId);
  t.deepEqual(turns, [['registration'], ['unknown', source, login], ['known', source, login], ['device', login, device]]);
});

test('however many devices a member logs in with, and from however many networks of one site, others have their turn', async (t) => {
  const queue = new HashQueue(1, 64);
  let asked = 0;
  const run = queue.run.bind(queue);
  queue.run = (turn, work, signal) => {
    asked++;
    return run(turn, work, signal);
  };
  const one = await auth.sibling({ queue });
  t.teardown(() => one.lifecycle.stop('done'));
  const [mallory, hana] = [freshLogin(), freshLogin()];
  for (const loginId of [mallory, hana]) await one.member({ loginId });
  const from = async (loginId: string, source: string, deviceCookie = '') =>
    (await logIn(one, { ...loginOf(loginId), source, deviceCookie })).deviceCookie;
  const site = (i: number) => `2001:db8:7:${i.toString(16)}::/64`;
  const here = freshSource();
  const cookies: string[] = [];
  while (cookies.length < 40) cookies.push(...(await Promise.all(Array.from({ length: 5 }, () => from(mallory, here)))));
  const hanas = await from(hana, here);

  const floods: Record<string, (i: number) => Promise<unknown>> = {
    'many devices at one place': (i) => from(mallory, here, cookies[i % 40]),
    'one device in many networks': (i) => from(mallory, site(i), cookies[0]),
    'many devices in many networks': (i) => from(mallory, site(i), cookies[i % 40]),
    'no device in many networks': (i) => from(freshLogin(), site(i)),
  };
  for (const [name, flood] of Object.entries(floods)) {
    const hash = Promise.withResolvers<void>();
    const running = queue.run(['registration'], () => hash.promise);
    asked = 0;
    const flooded = Array.from({ length: 80 }, (_, i) => flood(i).catch(({ code }: MusubiError) => code));
    await until(() => asked >= 80);
    const victims = [from(hana, here, hanas), from(hana, here), from(hana, freshSource()), from(hana, '2001:db8:8:1::/64')];
    await until(() => asked >= 84);
    hash.resolve();
    await running;
    for (const victim of victims) await t.notThrowsAsync(victim, name);
    await Promise.all(flooded);
  }
});
