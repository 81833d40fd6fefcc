import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { until } from '../platform/until.fixture.ts';
import { address, admin, register, unique } from './client.ts';
import { ports } from './control.ts';

/*
 * Clients that are nobody's friends, each at an address of its own of this machine: what they do must not concern
 * the other tests, which all come from 127.0.0.1.
 */

const { hostname, port } = new URL(address('MUSUBI_PUBLIC_URL'));

interface Answer {
  status: number;
  code: string | undefined;
  retryAfter: number;
  /** As the client sends it back. */
  cookie: string | undefined;
}

/** A login from that address of this machine. */
function logIn(localAddress: string, loginId: string, password: string, cookie?: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', ...(cookie ? { cookie } : {}) };
    const sent = request({ host: hostname, port, localAddress, method: 'POST', path: '/v1/auth/login', headers, agent: false });
    sent.on('error', reject);
    sent.on('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => (text += part));
      response.on('end', () => {
        const body = JSON.parse(text) as { code?: string };
        resolve({
          status: response.statusCode ?? 0,
          code: body.code,
          retryAfter: Number(response.headers['retry-after']),
          cookie: response.headers['set-cookie']?.[0]?.split(';')[0],
        });
      });
    });
    sent.end(JSON.stringify({ loginId, password }));
  });
}

/** A metric of Auth, all its labels together; `labels` to mean only some. */
async function metricOfAuth(name: string, labels = ''): Promise<number> {
  const ops = (await ports()).auth?.ops;
  const text = await (await fetch(`http://127.0.0.1:${ops}/metrics`)).text();
  const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) && line.includes(labels));
  return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}

test('logins of a client that has left hold no place', async (t) => {
  const body = JSON.stringify({ loginId: unique('nobody'), password: 'wrong password' });
  const one = [
    'POST /v1/auth/login HTTP/1.1',
    'Host: musubi',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    '',
    body,
  ].join('\r\n');
  const gone = () => metricOfAuth('musubi_auth_logins_total', 'outcome="CALLER_GONE"');
  const before = await gone();
  const socket = connect({ host: hostname, port: Number(port), localAddress: '127.0.0.21' });
  await once(socket, 'connect');
  socket.write(one.repeat(80));
  for (let i = 0; i < 200 && (await metricOfAuth('musubi_auth_hash_queue', 'lane="unknown"')) === 0; i++) await sleep(5);
  socket.destroy();
  for (let i = 0; i < 200 && (await gone()) === before; i++) await sleep(10);
  t.true((await gone()) > before, 'those that waited have been dropped');
  const loginId = unique('another');
  t.is((await logIn('127.0.0.21', loginId, 'wrong password')).code, 'BAD_CREDENTIALS', 'the next is looked at');
});

for (const [name, bogus] of [
  ['many logins', () => unique('bogus')],
  ['one login', () => 'bogus'],
] as const) {
  // One after the other: the machine is not what is tested.
  test.serial(`a flood of bogus logins, of ${name}, keeps no member out that has been at their source before`, async (t) => {
    const source = name === 'one login' ? '127.0.0.22' : '127.0.0.23';
    const member = await register(await admin());
    t.is((await logIn(source, member.loginId, member.password)).status, 200);
    let flooding = true;
    const outcomes = new Map<string, number>();
    const flood = Array.from({ length: 100 }, async () => {
      while (flooding) {
        const { code = '' } = await logIn(source, bogus(), 'wrong password');
        outcomes.set(code, (outcomes.get(code) ?? 0) + 1);
        await sleep(100);
      }
    });
    // Those that come first wait to be looked at, later ones are refused without.
    let slowest = 0;
    for (let i = 0; i < 10; i++) {
      const began = performance.now();
      t.is((await logIn(source, member.loginId, member.password)).status, 200);
      slowest = Math.max(slowest, performance.now() - began);
      await sleep(200);
    }
    flooding = false;
    await Promise.all(flood);
    t.log(`the member waited ${Math.round(slowest)} ms at most`, Object.fromEntries(outcomes));
    t.false(outcomes.has(''), 'no bogus login is a login');
  });
}

test('a password cannot be guessed from one place, its member is not kept out, and the log tells from where it was tried', async (t) => {
  const member = await register(await admin());
  const { cookie } = await logIn('127.0.0.24', member.loginId, member.password);
  const guess = () => logIn('127.0.0.25', member.loginId, 'wrong password');
  const guesses: (string | undefined)[] = [];
  for (let i = 0; i < 100; i++) guesses.push((await guess()).code);
  t.deepEqual([...new Set(guesses)], ['BAD_CREDENTIALS', 'TOO_MANY_ATTEMPTS']);
  t.true(guesses.filter((code) => code === 'BAD_CREDENTIALS').length < 20);
  const right = await logIn('127.0.0.25', member.loginId, member.password);
  t.like(right, { status: 429, code: 'TOO_MANY_ATTEMPTS' });
  t.true(right.retryAfter >= 1 && right.retryAfter <= 30, `${right.retryAfter} s`);

  t.is((await logIn('127.0.0.24', member.loginId, member.password)).status, 200, 'where it was before');
  t.is((await logIn('127.0.0.26', member.loginId, member.password)).status, 200, 'somewhere else');
  t.is((await logIn('127.0.0.25', member.loginId, member.password, cookie)).status, 200, 'there too, with its device');

  const folder = join(address('MUSUBI_TEST_DATA'), 'logs');
  const logs = () => readdirSync(folder).flatMap((file) => readFileSync(join(folder, file), 'utf8').split('\n'));
  const told = ['"program":"auth"', '"source":"127.0.0.25"', member.memberId];
  const mine = () => logs().filter((line) => told.every((part) => line.includes(part)));
  await until(() => mine().length >= 102, 'all of it is in the log');
  const outcomes = mine().map((line) => (JSON.parse(line) as { outcome: string; traceId?: string }).outcome);
  t.deepEqual(outcomes, [...guesses, 'TOO_MANY_ATTEMPTS', 'ok']);
  for (const line of mine()) t.regex((JSON.parse(line) as { traceId: string }).traceId, /^[0-9a-f]{32}$/);
});
