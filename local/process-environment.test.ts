import test from 'ava';
import { newCallerKeys } from '#platform/grpc/callers.ts';
import { CALLERS } from '../services/catalogue.ts';
import { CONFIGURATIONS } from './environment.ts';
import { LAYOUTS } from './layouts.ts';
import { environmentOfProcess } from './process-environment.ts';

/** A whole system's, with something in every variable that a program may read. */
const everything: NodeJS.ProcessEnv = {
  ...Object.fromEntries(
    Object.values(CONFIGURATIONS).flatMap(({ shape }) => Object.keys(shape).map((name) => [name, `of all: ${name}`])),
  ),
  ...newCallerKeys(CALLERS),
  MUSUBI_MEMBER_POSTGRES_URL: "member's",
  MUSUBI_ROLE_POSTGRES_URL: "role's",
  MUSUBI_QUERY_POSTGRES_URL: "query's",
  MUSUBI_RELAY_POSTGRES_URL: "relay's",
  MUSUBI_S3_SECRET_ACCESS_KEY: 'of S3',
  PATH: '/bin',
};
const given = (...programs: string[]): Record<string, string> =>
  Object.fromEntries(
    Object.entries(environmentOfProcess(programs, everything)).filter((one): one is [string, string] => one[1] !== undefined),
  );

test('a process is given what its programs read, and no secret of another', (t) => {
  const secrets = (...programs: string[]): string[] =>
    Object.keys(given(...programs))
      .filter((name) => /(_URL|_KEY|PASSWORD)$/.test(name) && !/(PUBLIC|WEBSOCKET)_URL$/.test(name))
      .toSorted();
  t.deepEqual(secrets('member'), ['MUSUBI_POSTGRES_URL']);
  t.deepEqual(secrets('job'), ['MUSUBI_REDIS_URL']);
  t.deepEqual(secrets('auth'), ['MUSUBI_AUTH_CALLER_KEY', 'MUSUBI_AUTH_MASTER_KEY', 'MUSUBI_MONGODB_URL']);
  t.deepEqual(secrets('worker'), ['MUSUBI_SAGAS_CALLER_KEY']);
  t.deepEqual(secrets('gateway'), ['MUSUBI_GATEWAY_CALLER_KEY', 'MUSUBI_SAGAS_CALLER_KEY']);
  t.deepEqual(secrets('websocket'), ['MUSUBI_REDIS_URL', 'MUSUBI_WEBSOCKET_CALLER_KEY']);
  t.deepEqual(secrets('relay'), ['MUSUBI_MONGODB_URL', 'MUSUBI_POSTGRES_URL', 'MUSUBI_REDIS_URL']);
  t.deepEqual(secrets('bootstrap'), ['MUSUBI_ADMIN_PASSWORD', 'MUSUBI_BOOTSTRAP_CALLER_KEY']);
  for (const { programs } of LAYOUTS.each) t.false(secrets(...programs).includes('MUSUBI_OPERATOR_CALLER_KEY'), programs.join());
});

test('what programs of a process read differently, each reads by a variable of its own', (t) => {
  t.is(given('member').MUSUBI_POSTGRES_URL, "member's");
  const both = given('member', 'role', 'job');
  t.is(both.MUSUBI_POSTGRES_URL, undefined);
  t.is(both.MUSUBI_MEMBER_POSTGRES_URL, "member's");
  t.is(both.MUSUBI_ROLE_POSTGRES_URL, "role's");
  t.is(both.MUSUBI_QUERY_POSTGRES_URL, undefined);
  t.is(both.MUSUBI_CALLERS, everything.MUSUBI_CALLERS);
  t.is(both.PATH, '/bin');
});
