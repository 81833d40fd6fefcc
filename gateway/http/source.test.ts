import test from 'ava';
import { loadConfig } from '#platform/process/config.ts';
import { shape } from '../config.ts';
import { sourceOf, TrustedProxies } from './source.ts';

const nobody = new TrustedProxies([]);

test('the source is the other end of the connection, an IPv6 client its network', (t) => {
  const cases: [string | undefined, string][] = [
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:DB8:0001:0002:ffff:ffff:ffff:ffff', '2001:db8:1:2::/64'],
    ['::1', '::/64'],
    ['2001:db8::1:2:3:4', '2001:db8::/64'],
    ['1::', '1::/64'],
    ['fe80::1%eth0', 'fe80::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b::/64'],
    [undefined, ''],
  ];
  for (const [remote, source] of cases) t.is(sourceOf(remote, '', nobody), source, remote);
  t.is(sourceOf('192.0.2.1', '198.51.100.7', nobody), '192.0.2.1', 'anybody can write X-Forwarded-For');
});

test('behind trusted proxies it is the right-most address that is none of them', (t) => {
  const proxies = new TrustedProxies(['10.0.0.0/8', '192.0.2.1', '2001:db8:ffff::/48']);
  const cases: [string, string, string][] = [
    ['10.1.2.3', '198.51.100.7', '198.51.100.7'],
    ['::ffff:10.1.2.3', '198.51.100.7', '198.51.100.7'],
    ['10.1.2.3', '6.6.6.6, 198.51.100.7', '198.51.100.7'],
    ['10.1.2.3', '6.6.6.6, 198.51.100.7,10.9.9.9 , 192.0.2.1', '198.51.100.7'],
    ['10.1.2.3', '198.51.100.7, 10.9.9.9, ::ffff:192.0.2.1', '198.51.100.7'],
    ['2001:db8:ffff::1', '2001:db8:1:2::3', '2001:db8:1:2::/64'],
    ['10.1.2.3', '[2001:db8:1:2::3]:4711', '2001:db8:1:2::/64'],
    ['10.1.2.3', '198.51.100.7:4711', '198.51.100.7'],
    ['10.1.2.3', '', '10.1.2.3'],
    ['10.1.2.3', '10.4.4.4', '10.4.4.4'],
    ['10.1.2.3', '198.51.100.7, nonsense', '10.1.2.3'],
    ['10.1.2.3', '198.51.100.7, 10.4.4.4, unknown, 10.5.5.5', '10.5.5.5'],
    ['10.1.2.3', '198.51.100.7,', '10.1.2.3'],
    ['192.0.2.2', '198.51.100.7', '192.0.2.2'],
  ];
  for (const [remote, forwarded, source] of cases)
    t.is(sourceOf(remote, forwarded, proxies), source, `${remote} for ${forwarded}`);
});

test('what is no address and no range is refused by the name of its variable', (t) => {
  const { MUSUBI_TRUSTED_PROXIES } = shape;
  const read = (value: string) =>
    loadConfig({ MUSUBI_TRUSTED_PROXIES }, { MUSUBI_TRUSTED_PROXIES: value }).MUSUBI_TRUSTED_PROXIES;
  t.true(read('10.0.0.0/8, ::1').has('10.255.0.1'));
  t.true(read('10.0.0.0/8, ::1').has('::1'));
  t.false(read('').has('127.0.0.1'), 'by default nobody is');
  for (const bad of [
    'proxy.example',
    '10.0.0.0/33',
    '10.0.0.0/',
    '10.0.0/8',
    '::1/129',
    '10.0.0.0/8/8',
    '10.0.0.1,,',
    '10.0.0.0/-1',
  ])
    t.throws(() => read(bad), { message: /MUSUBI_TRUSTED_PROXIES: must be addresses or CIDR ranges/ }, bad);
});
