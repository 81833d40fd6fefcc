import { inspect } from 'node:util';
import test from 'ava';
import { address, ConfigError, integer, list, loadConfig, Secret, secret } from './config.ts';

const shape = { URL_OF_STORE: secret(), LISTEN: address(), WORKERS: integer(1, 8).default(2), BROKERS: list() };

test('every error is reported at once, by name and without a value', (t) => {
  const error = t.throws(() => loadConfig(shape, { LISTEN: 'nowhere', WORKERS: '99', BROKERS: '' }), { instanceOf: ConfigError });
  t.regex(error.message, /URL_OF_STORE: is missing/);
  t.regex(error.message, /LISTEN: must be host:port/);
  t.regex(error.message, /WORKERS: /);
  t.regex(error.message, /BROKERS: is missing/);
  t.notRegex(error.message, /nowhere/);
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

test('a port above 65535 is refused', (t) => {
  t.throws(() => loadConfig({ LISTEN: address() }, { LISTEN: 'a:70000' }), { message: /65535/ });
});
