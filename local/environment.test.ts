import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { newCallerKeys } from '#platform/grpc/callers.ts';
import { ConfigError } from '#platform/process/config.ts';
import { CALLERS } from '../services/catalogue.ts';
import { CONFIGURATIONS, checkEnvironment } from './environment.ts';
import { LAYOUTS } from './layouts.ts';
import { checkout } from './places.ts';
import { PROGRAMS } from './programs.ts';
import { type Secrets, secretsFor } from './secrets.ts';
import { SERVERS } from './servers/index.ts';

const folder = mkdtempSync(join(tmpdir(), 'musubi-environment-'));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** A start of everything in this environment. */
const wanted = (env: NodeJS.ProcessEnv, kept: Partial<Secrets> = {}): Parameters<typeof checkEnvironment>[0] => ({
  servers: SERVERS,
  processes: LAYOUTS.each,
  dataDir: folder,
  kept,
  callerKeys: newCallerKeys(CALLERS),
  secrets: secretsFor(kept, env),
  env,
  extraEnv: {},
});

/** What is said of an environment, by variable. */
async function wrongIn(env: NodeJS.ProcessEnv, kept: Partial<Secrets> = {}): Promise<Record<string, string>> {
  try {
    await checkEnvironment(wanted(env, kept));
    return {};
  } catch (error) {
    if (error instanceof ConfigError) return Object.fromEntries(error.wrong);
    throw error;
  }
}

test('every program is judged by what it reads', async (t) => {
  for (const { name } of PROGRAMS) {
    const place = ['gateway', 'worker'].includes(name) ? name : `services/${name}`;
    const { shape, check } = await import(join(checkout, place, 'main.ts'));
    t.is(CONFIGURATIONS[name]?.shape, shape, name);
    t.is(CONFIGURATIONS[name]?.check, check, name);
  }
  t.is(CONFIGURATIONS.bootstrap?.shape, (await import('../gateway/bootstrap.ts')).shape);
});

test("what is one program's own has no name that all of them read", (t) => {
  const names = Object.values(CONFIGURATIONS).flatMap(({ shape }) => Object.keys(shape));
  for (const program of Object.keys(CONFIGURATIONS)) {
    const own = `MUSUBI_${program.toUpperCase()}_`;
    const both = names.filter((name) => name.startsWith(own) && names.includes(`MUSUBI_${name.slice(own.length)}`));
    t.deepEqual(both, [], program);
  }
});

test('nothing is wrong with an environment that says nothing', async (t) => {
  t.deepEqual(await wrongIn({ PATH: '/bin', MUSUBI_POSTGRES_URL: '', MUSUBI_ADMIN_PASSWORD: '' }), {});
});

const WRONG: Record<string, [value: string, why: RegExp]> = {
  MUSUBI_POSTGRES_URL: ['foo', /like postgres:\/\//],
  MUSUBI_MONGODB_URL: ['mongodb://a:x', /like mongodb:\/\//],
  MUSUBI_REDIS_URL: ['localhost:6379', /like redis:\/\//],
  MUSUBI_KAFKA_BROKERS: ['a:9092,b', /host:port/],
  MUSUBI_TEMPORAL_ADDRESS: ['http://a:7233', /host:port/],
  MUSUBI_OPENSEARCH_URL: ['a:9200', /a URL like/],
  MUSUBI_S3_ENDPOINT: ['a', /a URL like/],
  MUSUBI_S3_ACCESS_KEY_ID: ['', /is missing: MUSUBI_S3_ENDPOINT is set/],
  MUSUBI_S3_SECRET_ACCESS_KEY: ['', /is missing: MUSUBI_S3_ENDPOINT is set/],
  MUSUBI_PUBLIC_URL: ['musubi.example.org', /a URL like/],
  MUSUBI_ADMIN_LOGIN_ID: ['x', /3 to 64/],
  MUSUBI_ADMIN_PASSWORD: ['short', /8 to 256 characters/],
  MUSUBI_ADMIN_EMAIL: ['nobody', /e-mail address/],
  MUSUBI_AUTH_MASTER_KEY: ['c2hvcnQ=', /32 bytes in base64: openssl/],
  MUSUBI_AUTH_ARGON2_MEMORY: ['1', /whole number from 8192/],
  MUSUBI_LOG_LEVEL: ['loud', /one of trace, debug/],
  MUSUBI_STOP_TIMEOUT: ['0', /whole number from 1 to 600/],
  MUSUBI_RELAY_SOURCES: ['nobody', /none of member/],
  MUSUBI_WORKER_QUEUES: ['nothing', /one of/],
  MUSUBI_GATEWAY_WORKER: ['yes', /one of on, off/],
  OTEL_EXPORTER_OTLP_ENDPOINT: ['collector', /a URL like/],
  OTEL_TRACES_SAMPLER: ['sometimes', /one of always_on/],
};

test('everything that is wrong is said at once, by its name, and without its value', async (t) => {
  // The public address is a program's only where its environment says so; the launcher sets it.
  const env = Object.fromEntries(Object.entries(WRONG).map(([name, [value]]) => [name, value]));
  const secrets = secretsFor({}, env);
  const extraEnv = { MUSUBI_PUBLIC_URL: env.MUSUBI_PUBLIC_URL ?? '' };
  const check = checkEnvironment({
    servers: SERVERS,
    processes: LAYOUTS.each,
    dataDir: folder,
    kept: {},
    callerKeys: newCallerKeys(CALLERS),
    secrets,
    env,
    extraEnv,
  });
  const { wrong, message } = (await t.throwsAsync(check, { instanceOf: ConfigError })) as ConfigError;
  t.deepEqual(wrong.map(([name]) => name).toSorted(), Object.keys(WRONG).toSorted());
  for (const [name, why] of wrong) t.regex(why, WRONG[name]?.[1] ?? /^$/, name);
  for (const secret of ['c2hvcnQ=', 'short', 'mongodb://a:x']) t.false(message.includes(secret));
});

test("what is wrong with one program's own variable is said by that name, beside a good one of all", async (t) => {
  const good = { MUSUBI_POSTGRES_URL: 'postgres://a:b@127.0.0.1:1/postgres' };
  const said = await wrongIn({ ...good, MUSUBI_ROLE_POSTGRES_URL: 'nonsense', MUSUBI_MEMBER_LOG_LEVEL: 'loud' });
  t.deepEqual(Object.keys(said).toSorted(), ['MUSUBI_MEMBER_LOG_LEVEL', 'MUSUBI_ROLE_POSTGRES_URL']);
});

test('a server that only one program is given is asked, too', async (t) => {
  const said = await wrongIn({
    MUSUBI_ROLE_POSTGRES_URL: 'postgres://a:b@127.0.0.1:1/postgres',
    MUSUBI_ROLE_MONGODB_URL: 'mongodb://127.0.0.1:1',
  });
  t.deepEqual(Object.keys(said), ['MUSUBI_ROLE_POSTGRES_URL'], 'and no other, which it does not read');
  t.regex(said.MUSUBI_ROLE_POSTGRES_URL ?? '', /cannot be used there: .*ECONNREFUSED/);
});

test('a password that Auth would refuse is refused before there is an Auth, and not asked for once there is an admin', async (t) => {
  t.like(await wrongIn({ MUSUBI_ADMIN_PASSWORD: 'password1' }), {
    MUSUBI_ADMIN_PASSWORD: 'is one of the most common passwords; choose another',
  });
  t.deepEqual(await wrongIn({ MUSUBI_ADMIN_PASSWORD: 'short' }, secretsFor({ adminExists: true }, {})), {});
});

test('another master key than the one that the data is encrypted with is refused', async (t) => {
  const [first, second] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64'));
  const kept = secretsFor({ adminExists: true, authMasterKey: first }, {});
  t.deepEqual(await wrongIn({ MUSUBI_AUTH_MASTER_KEY: first }, kept), {});
  t.regex((await wrongIn({ MUSUBI_AUTH_MASTER_KEY: second }, kept)).MUSUBI_AUTH_MASTER_KEY ?? '', /^is not the one .* --fresh$/);
});

// Before the others, because it changes the environment of the process.
test.serial('a cache that cannot be written to is said', async (t) => {
  const before = process.env.MUSUBI_CACHE;
  t.teardown(() => {
    process.env.MUSUBI_CACHE = before;
  });
  const closed = mkdtempSync(join(folder, 'closed-'));
  chmodSync(closed, 0o500);
  // Root may write everywhere; nobody can make a folder below a file, though.
  const cache = process.getuid?.() === 0 ? join(checkout, 'package.json', 'cache') : join(closed, 'cache');
  process.env.MUSUBI_CACHE = cache;
  t.deepEqual(await wrongIn({ MUSUBI_CACHE: cache }), { MUSUBI_CACHE: 'cannot be written to' });
});

test('variables that nothing reads are named', async (t) => {
  const env = {
    MUSUBI_POSTGRESS_URL: 'x',
    MUSUBI_GRPC_LISTEN: '127.0.0.1:1',
    MUSUBI_MEMBER_POSTGRES_URL: process.env.MUSUBI_POSTGRES_URL,
    MUSUBI_MEMBER_MONGODB_URL: 'mongodb://a',
    MUSUBI_MEMBER_LOG_LEVEL: 'debug',
    MUSUBI_MEMBER_STOP_TIMEOUT: '5',
    MUSUBI_LOG_LEVEL: 'info',
    OTHER: 'x',
  };
  t.deepEqual((await checkEnvironment(wanted(env))).unread, [
    'MUSUBI_POSTGRESS_URL',
    'MUSUBI_GRPC_LISTEN',
    'MUSUBI_MEMBER_MONGODB_URL',
    'MUSUBI_MEMBER_STOP_TIMEOUT',
  ]);
});

test('servers that the environment gives and that cannot be used are named, with the reason', async (t) => {
  // One that takes connections and says nothing, and one that says what none of them would.
  const sockets: Socket[] = [];
  const taking = (socket: Socket): Socket => {
    sockets.push(socket);
    return socket.on('error', () => {}).resume();
  };
  const silent = createServer(taking).listen(0, '127.0.0.1');
  const odd = createServer((socket) => taking(socket).end('SSH-2.0-x\r\n')).listen(0, '127.0.0.1');
  await Promise.all([once(silent, 'listening'), once(odd, 'listening')]);
  t.teardown(() => {
    for (const each of [silent, odd]) each.close();
    for (const socket of sockets) socket.destroy();
  });
  const [quiet, wrong] = [silent, odd].map((server) => `127.0.0.1:${(server.address() as AddressInfo).port}`);
  const nobody = '127.0.0.1:1';
  const S3 = { MUSUBI_S3_ACCESS_KEY_ID: 'a', MUSUBI_S3_SECRET_ACCESS_KEY: 'b' };
  const given = (at: string) => ({
    MUSUBI_POSTGRES_URL: `postgres://user:hunter2@${at}`,
    MUSUBI_MONGODB_URL: `mongodb://user:hunter2@${at}/?directConnection=true`,
    MUSUBI_REDIS_URL: `redis://:hunter2@${at}`,
    MUSUBI_KAFKA_BROKERS: at,
    MUSUBI_TEMPORAL_ADDRESS: at,
    MUSUBI_OPENSEARCH_URL: `http://${at}`,
    MUSUBI_S3_ENDPOINT: `http://${at}`,
  });
  for (const at of [nobody, quiet, wrong] as string[]) {
    const said = await wrongIn({ ...given(at), ...S3 });
    t.deepEqual(Object.keys(said).toSorted(), Object.keys(given('')).toSorted(), at);
    for (const [name, why] of Object.entries(said)) {
      t.regex(why, /^[A-Z].* cannot be used there: .{5,}; unset it, and npm start starts its own$/, `${at} ${name}`);
      t.notRegex(why, /hunter2/);
    }
    t.log(at, said);
  }
});

test('servers that the environment gives and that can be used are taken; wrong keys and names are said', async (t) => {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => /^MUSUBI_(?!ADMIN|AUTH)/.test(name)));
  const { own, others } = await checkEnvironment(wanted(env));
  t.deepEqual([own.length, others.length], [0, SERVERS.length]);
  const said = await wrongIn({ ...env, MUSUBI_S3_SECRET_ACCESS_KEY: 'wrong', MUSUBI_TEMPORAL_NAMESPACE: 'nowhere' });
  t.deepEqual(Object.keys(said).toSorted(), ['MUSUBI_S3_ENDPOINT', 'MUSUBI_TEMPORAL_NAMESPACE']);
  t.regex(said.MUSUBI_S3_ENDPOINT ?? '', /answered 403/);
  t.is(said.MUSUBI_TEMPORAL_NAMESPACE, 'there is no such namespace');
});

/** A start in a folder that is not there; whether it is afterwards. */
async function refused(port: number, env: NodeJS.ProcessEnv) {
  const above = join(folder, `never-${port}`);
  const mine = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^MUSUBI_/.test(name)));
  const args = [join(checkout, 'local/start.ts'), '--port', String(port), '--data', join(above, 'made')];
  const start = spawn(process.execPath, args, { env: { ...mine, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  let [out, said] = ['', ''];
  start.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  start.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(start, 'close')) as [number | null];
  return { code, out, said, isLeft: existsSync(above) };
}

test('a start whose port is in use is refused with what to do, and leaves nothing', async (t) => {
  const busy = createServer().listen(0, '127.0.0.1');
  await once(busy, 'listening');
  t.teardown(() => busy.close());
  const { port } = busy.address() as AddressInfo;
  const { code, out, said, isLeft } = await refused(port, {});
  t.like({ code, out, isLeft }, { code: 1, out: '', isLeft: false });
  t.regex(
    said,
    new RegExp(`port ${port} is in use on 127.0.0.1, by .* \\(pid ${process.pid}\\): give another --port, or --port 0`),
  );
});

test('npm start says it all, with code 2, and touches nothing', async (t) => {
  const { code, out, said, isLeft } = await refused(0, { MUSUBI_POSTGRES_URL: 'foo', MUSUBI_ADMIN_PASSWORD: 'short' });
  t.like({ code, out, isLeft }, { code: 2, out: '', isLeft: false });
  t.regex(said, /^The environment is not right, so nothing was started:\n(?: {2}MUSUBI_\w+: .*\n){2}$/);
  t.regex(said, /MUSUBI_POSTGRES_URL: must be like postgres:/);
  t.regex(said, /MUSUBI_ADMIN_PASSWORD: must have 8 to 256 characters/);
});
