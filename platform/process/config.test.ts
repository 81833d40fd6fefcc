import { inspect } from 'node:util';
import test from 'ava';
import { z } from 'zod';
import {
  address,
  allowedOrigins,
  ConfigError,
  hostPort,
  integer,
  list,
  loadConfig,
  mongodbUrl,
  origins,
  peer,
  postgresUrl,
  redisOrClusterUrl,
  redisUrl,
  Secret,
  secret,
} from './config.ts';

const shape = { URL_OF_STORE: secret(), LISTEN: address(), WORKERS: integer(1, 8).default(2), BROKERS: list() };

test('every error is reported at once, by name and without a value', (t) => {
  const error = t.throws(() => loadConfig(shape, { LISTEN: 'nowhere', WORKERS: '99', BROKERS: '' }), { instanceOf: ConfigError });
  t.regex(error.message, /URL_OF_STORE: is missing/);
  t.regex(error.message, /LISTEN: must be host:port/);
  t.regex(error.message, /WORKERS: /);
  t.regex(error.message, /BROKERS: is missing/);
  t.notRegex(error.message, /nowhere/);
});

test('what must hold between variables is reported with what is wrong by itself', (t) => {
  const check = ({ WORKERS, LISTEN }: { WORKERS?: number; LISTEN?: object }): Record<string, string> => {
    t.is(LISTEN, undefined, 'what is wrong by itself is not there');
    return WORKERS === 2 ? { URL_OF_STORE: 'must not be for two' } : {};
  };
  const env = { URL_OF_STORE: 'postgres://u:p@h/d', LISTEN: 'nowhere', BROKERS: 'a:1' };
  const error = t.throws(() => loadConfig(shape, env, check), { instanceOf: ConfigError });
  t.deepEqual(error.message.split('\n').slice(1), [
    '  LISTEN: must be host:port or [IPv6]:port',
    '  URL_OF_STORE: must not be for two',
  ]);
});

test('a wrong item of a list is not called missing', (t) => {
  const items = list().pipe(z.array(z.string().max(3, 'is too long')));
  t.throws(() => loadConfig({ ITEMS: items }, { ITEMS: 'one,three' }), { message: /^ {2}ITEMS: is too long$/m });
});

test('values arrive typed', (t) => {
  const config = loadConfig(shape, { URL_OF_STORE: 'postgres://u:p@h/d', LISTEN: '127.0.0.1:0', BROKERS: 'a:1, b:2' });
  t.deepEqual(config.LISTEN, { host: '127.0.0.1', port: 0 });
  t.is(config.WORKERS, 2);
  t.deepEqual(config.BROKERS, ['a:1', 'b:2']);
  t.is(config.URL_OF_STORE.reveal(), 'postgres://u:p@h/d');
});

test('a secret shows nowhere', (t) => {
  const value = new Secret('hunter2');
  t.notRegex(`${value} ${JSON.stringify({ value })} ${inspect({ value })}`, /hunter2/);
});

test('an address may be one of IPv6, in brackets', (t) => {
  const parsed = (text: string) => loadConfig({ LISTEN: address() }, { LISTEN: text }).LISTEN;
  for (const host of ['::1', '::', 'fe80::1', '::ffff:127.0.0.1']) {
    t.deepEqual(parsed(`[${host}]:9601`), { host, port: 9601 });
    t.is(hostPort({ host, port: 9601 }), `[${host}]:9601`);
  }
  t.is(hostPort(parsed('member.internal:9601')), 'member.internal:9601');
  for (const wrong of ['::1:9601', '[::1]', '[127.0.0.1]:1', '[name]:1', '[]:1', ':1', 'a b:1', '[::1:1']) {
    t.throws(() => parsed(wrong), { message: /must be host:port or \[IPv6\]:port/ }, wrong);
  }
});

test('a port above 65535 is refused', (t) => {
  t.throws(() => loadConfig({ LISTEN: address() }, { LISTEN: 'a:70000' }), { message: /65535/ });
});

test('origins are read as browsers send them; what is more or less than an origin is refused', (t) => {
  const parsed = (text?: string) => loadConfig({ ORIGINS: origins() }, { ORIGINS: text }).ORIGINS;
  t.deepEqual(parsed(), []);
  t.deepEqual(parsed(''), []);
  t.deepEqual(parsed('HTTPS://App.Example.org:443/, http://localhost:3000,https://結び.example'), [
    'https://app.example.org',
    'http://localhost:3000',
    'https://xn--z9j672u.example',
  ]);
  for (const wrong of [
    '*',
    'null',
    'app.example.org',
    'https://a.example/path',
    'https://u:p@a.example',
    'ws://a.example',
    'https://*',
  ]) {
    t.throws(() => parsed(`https://a.example,${wrong}`), { message: /must be origins such as/ }, wrong);
  }
});

test('the origins of the gateway are always allowed; one of this machine has two', (t) => {
  const allowed = (url?: string): string[] => [...allowedOrigins(['https://app.example'], url)].sort();
  t.deepEqual(allowed(), ['https://app.example']);
  t.deepEqual(allowed('https://musubi.example:443/behind'), ['https://app.example', 'https://musubi.example']);
  for (const url of ['http://127.0.0.1:8080', 'http://localhost:8080/'])
    t.deepEqual(allowed(url), ['http://127.0.0.1:8080', 'http://localhost:8080', 'https://app.example'], url);
});
const URLS = [
  {
    what: 'PostgreSQL',
    schema: postgresUrl(),
    right: ['postgres://h', 'postgres://u:p%40%2F@h:5432/db?sslmode=require', 'postgresql://u@[::1]:5432'],
    wrong: [
      'foo',
      'h:5432',
      'http://h',
      'postgres:h',
      'postgres://',
      'postgres://u:p@ss@h',
      'postgres://u:p/q@h',
      'postgres://u:p%@h',
    ],
  },
  {
    what: 'MongoDB',
    schema: mongodbUrl(),
    right: ['mongodb://h', 'mongodb://a:27017,b:27018,[::1]:27019/?replicaSet=rs0', 'mongodb+srv://u:p@cluster.example.org/db'],
    wrong: ['mongo://h', 'mongodb://a:1,b:99999', 'mongodb://a,,b', 'mongodb://u:p#q@h', 'mongodb://a b'],
  },
  {
    what: 'Redis',
    schema: redisUrl(),
    right: ['redis://h', 'rediss://:p@h:6379/1'],
    wrong: ['h:6379', 'redis://h:x', 'redis:/h', 'valkey://h', 'redis://a,b', 'redis+cluster://a'],
  },
  {
    what: 'Redis, or a cluster of it',
    schema: redisOrClusterUrl(),
    right: ['redis://h', 'redis+cluster://u:p@a:1,b:2', 'rediss+cluster://a'],
    wrong: ['h:6379', 'redis://a,b', 'redis+cluster://', 'redis+cluster://a,,b', 'mongodb+cluster://a'],
  },
  {
    what: 'a gRPC peer',
    schema: peer(),
    right: ['h:1', '[::1]:9601', 'dns:///name:9601'],
    wrong: ['h', 'h:70000', 'http://h:9601', 'a b:1'],
  },
];
for (const { what, schema, right, wrong } of URLS) {
  test(`the address of ${what} is checked, and never shown`, (t) => {
    for (const value of right) t.notThrows(() => loadConfig({ IT: schema }, { IT: value }), value);
    for (const value of wrong) {
      const error = t.throws(() => loadConfig({ IT: schema }, { IT: value }), { instanceOf: ConfigError }, value);
      t.regex(error.message, /^ {2}IT: must be (like \w+:\/\/|host:port)/m);
      t.false(error.message.includes(`${value}\n`) || error.message.endsWith(value));
    }
  });
}
