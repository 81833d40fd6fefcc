import { randomBytes } from 'node:crypto';
import test from 'ava';
import { Secret } from '#platform/process/config.ts';
import { DEVICE_COOKIE_SECONDS, DeviceCookies } from './device-cookies.ts';

const masterKey = new Secret(randomBytes(32).toString('base64'));

test('a device cookie is good for its member only, unchanged, and for its time', (t) => {
  let now = Date.UTC(2030, 0, 1);
  const cookies = new DeviceCookies(masterKey, { now: () => now });
  const cookie = cookies.issue('hana');
  const device = cookies.deviceOf(cookie, 'hana');
  t.truthy(device);
  t.is(cookies.deviceOf(cookies.issue('hana', device), 'hana'), device, 'a device keeps its name');
  t.not(cookies.deviceOf(cookies.issue('hana'), 'hana'), device, 'another device has another');
  t.is(cookies.deviceOf(cookie, 'taro'), undefined);
  t.is(new DeviceCookies(new Secret(randomBytes(32).toString('base64')), { now: () => now }).deviceOf(cookie, 'hana'), undefined);
  const [prefix, name, expiry, signature] = cookie.split('.');
  const forged = [
    ['', 'x', cookie.slice(1), `${cookie}x`, 'x'.repeat(1_000_000)],
    [[prefix, name, `${Number(expiry) + 1}`, signature].join('.'), [prefix, 'A'.repeat(22), expiry, signature].join('.')],
    [[prefix, name, expiry, 'A'.repeat(43)].join('.'), [prefix, name, expiry, ''].join('.')],
  ].flat();
  for (const bad of forged) t.is(cookies.deviceOf(bad, 'hana'), undefined, bad.slice(0, 100));

  now += DEVICE_COOKIE_SECONDS * 1_000 - 1;
  t.is(cookies.deviceOf(cookie, 'hana'), device);
  now += 1;
  t.is(cookies.deviceOf(cookie, 'hana'), undefined, 'too old');
});
