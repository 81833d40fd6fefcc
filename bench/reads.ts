import { type ChildProcess, spawn } from 'node:child_process';
import { argon2Sync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { loadConfig } from '#platform/process/config.ts';
import { commandLine } from '../local/programs.ts';
import type { Stack } from '../local/stack.ts';
import { shape } from '../services/auth/config.ts';
import { DATABASE } from '../services/query/store.ts';
import { address, login } from '../test/client.ts';
import { Jobs } from './jobs.ts';
import { cpuMs, merged, quantile, round, type Series, series, table, threadsMs, throughput } from './measure.ts';

/** How often everything is measured, one after the other. */
const ROUNDS = Number(process.env.MUSUBI_BENCH_ROUNDS ?? 5);
const LANES = 20;
const PAGE = 20;
const IDLE_MS = 10_000;

/** Somebody who asks: a member with a session of its own. */
interface Lane {
  loginId: string;
  memberId: string;
  accessToken: string;
  refreshToken: string;
}

/** One thing that is measured: what is done, so often a round, by so many at a time. */
interface Work {
  name: string;
  title: string;
  count: number;
  concurrency: number;
  /** On what base it is asked. */
  of: 'Musubi' | 'bare Koa' | 'this process';
  one(lane: Lane, i: number): Promise<void> | void;
}

/**
 * `npm run bench -- reads [NAMES]`: what a GET by ID, a list, a login and a refresh cost; beside them, in the same run and turn by turn,
 * a bare Koa route over the same SQL and the same password hash. What everything takes that nobody asked for is measured
 * first, and taken off.
 */
export async function run(stack: Stack, wanted: readonly string[]): Promise<void> {
  const lanes = await prepare(stack);
  const bare = await startBare(stack);
  try {
    const all = worksOf(lanes, address('MUSUBI_PUBLIC_URL'), bare.base);
    const works = all.filter(({ name }) => wanted.length === 0 || wanted.includes(name));
    const pids = { ...stack.pids(), 'bare Koa': bare.process.pid ?? 0 };
    for (const work of works) await measure({ ...work, count: Math.ceil(work.count / 2) }, lanes, {});
    await sleep(2_000);
    const idle = await idleRates(pids);
    const rounds: Record<string, Series[]> = {};
    for (let round = 1; round <= ROUNDS; round++) {
      // Access tokens last five minutes.
      for (const lane of lanes) await logIn(lane, address('MUSUBI_PUBLIC_URL'));
      for (const work of works) {
        const done = await measure(work, lanes, pids);
        rounds[work.name] = [...(rounds[work.name] ?? []), done];
        process.stdout.write(`${round}: ${work.title}: ${summary(done, idle, work)}\n`);
      }
    }
    if (wanted.length > 0) return;
    const report = render(
      works.map((work) => ({ work, done: merged(rounds[work.name] ?? []) })),
      idle,
    );
    process.stdout.write(`\n${report}\n`);
    const name = 'app' in pids ? 'reads.md' : 'reads-each.md';
    mkdirSync(join(import.meta.dirname, 'results'), { recursive: true });
    writeFileSync(join(import.meta.dirname, 'results', name), report);
  } finally {
    bare.process.kill();
  }
}

const passwordOf = (loginId: string): string => `password of ${loginId}`;

/** As many members as lanes, and more for a full page; each lane logged in as its own. */
async function prepare(stack: Stack): Promise<Lane[]> {
  const admin = await login(stack.admin.loginId, stack.admin.password);
  const jobs = await Jobs.follow(admin);
  try {
    return await Promise.all(
      Array.from({ length: LANES }, async (_, index) => {
        const loginId = `lane${index}`;
        const body = { loginId, password: passwordOf(loginId), displayName: loginId, email: `${loginId}@example.com` };
        const { result } = await jobs.done(await admin.post('/v1/members', body));
        const lane = { loginId, memberId: String((result as { id: string }).id), accessToken: '', refreshToken: '' };
        await logIn(lane, address('MUSUBI_PUBLIC_URL'));
        return lane;
      }),
    );
  } finally {
    await jobs.close();
  }
}

function worksOf(lanes: readonly Lane[], musubi: string, bare: string): Work[] {
  const {
    MUSUBI_AUTH_ARGON2_MEMORY: memory,
    MUSUBI_AUTH_ARGON2_PASSES: passes,
    MUSUBI_AUTH_ARGON2_PARALLELISM: parallelism,
  } = loadConfig(
    (({ MUSUBI_AUTH_ARGON2_MEMORY, MUSUBI_AUTH_ARGON2_PASSES, MUSUBI_AUTH_ARGON2_PARALLELISM }) => ({
      MUSUBI_AUTH_ARGON2_MEMORY,
      MUSUBI_AUTH_ARGON2_PASSES,
      MUSUBI_AUTH_ARGON2_PARALLELISM,
    }))(shape),
    process.env,
  );
  const readOne = (base: string) => async (lane: Lane, i: number) =>
    void (await get(`${base}/v1/members/${lanes[i % lanes.length]?.memberId}`, lane.accessToken));
  const readPage = (base: string) => async (lane: Lane) => {
    const { items } = (await get(`${base}/v1/members?pageSize=${PAGE}`, lane.accessToken)) as { items: unknown[] };
    if (items.length !== PAGE) throw new Error(`a page of ${items.length}`);
  };
  const hash = (): void => {
    argon2Sync('argon2id', { message: 'password', nonce: randomBytes(16), parallelism, tagLength: 32, memory, passes });
  };
  const reads = [LANES, 8, 1].flatMap((concurrency): Work[] => [
    { name: `get ${concurrency}`, title: 'GET by ID', count: 600, concurrency, of: 'Musubi', one: readOne(musubi) },
    { name: `bare get ${concurrency}`, title: 'GET by ID', count: 2_000, concurrency, of: 'bare Koa', one: readOne(bare) },
    { name: `list ${concurrency}`, title: `list of ${PAGE}`, count: 400, concurrency, of: 'Musubi', one: readPage(musubi) },
    {
      name: `bare list ${concurrency}`,
      title: `list of ${PAGE}`,
      count: 1_500,
      concurrency,
      of: 'bare Koa',
      one: readPage(bare),
    },
  ]);
  return [
    ...reads.filter(({ concurrency, name }) => concurrency !== 1 || !name.includes('list')),
    { name: 'login 8', title: 'login', count: 60, concurrency: 8, of: 'Musubi', one: (lane) => logIn(lane, musubi) },
    { name: 'hash', title: "a login's hash", count: 60, concurrency: 1, of: 'this process', one: hash },
    { name: 'refresh 8', title: 'refresh', count: 300, concurrency: 8, of: 'Musubi', one: (lane) => refresh(lane, musubi) },
    { name: 'refresh 20', title: 'refresh', count: 300, concurrency: 20, of: 'Musubi', one: (lane) => refresh(lane, musubi) },
  ];
}

/** Of the CPU of the process that Auth is in, that of the threads which hash. */
const HASHED = 'of which hashed';

async function measure(
  { title, count, concurrency, one }: Work,
  lanes: readonly Lane[],
  pids: Record<string, number>,
): Promise<Series> {
  const auth = pids.auth ?? pids.app;
  const hashed = (): number => (auth === undefined ? 0 : threadsMs(auth, 'libuv-worker'));
  const before = hashed();
  const done = await series(title, { count, concurrency, pids }, async (i, lane) => await one(lanes[lane] as Lane, i));
  return { ...done, cpu: { ...done.cpu, [HASHED]: hashed() - before } };
}

async function logIn(lane: Lane, base: string): Promise<void> {
  const { loginId } = lane;
  Object.assign(lane, await send('POST', `${base}/v1/auth/login`, { loginId, password: passwordOf(loginId) }));
}

async function refresh(lane: Lane, base: string): Promise<void> {
  const { refreshToken } = lane;
  const { memberId: _, ...tokens } = (await send('POST', `${base}/v1/auth/refresh`, { refreshToken })) as Lane;
  Object.assign(lane, tokens);
}

const get = (url: string, token: string): Promise<unknown> => send('GET', url, undefined, { authorization: `Bearer ${token}` });

const agent = new Agent({ keepAlive: true, maxSockets: LANES });

/** Lighter than `fetch`: whoever asks shares the cores with who answers. */
async function send(method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<unknown> {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const sent = request(url, {
    method,
    agent,
    headers:
      text === undefined
        ? headers
        : { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
  }).end(text);
  const [response] = await once(sent, 'response');
  let answer = '';
  for await (const chunk of response.setEncoding('utf8')) answer += chunk;
  if (response.statusCode !== 200) throw new Error(`${method} ${url}: ${response.statusCode} ${answer}`);
  return JSON.parse(answer);
}

async function startBare(stack: Stack): Promise<{ base: string; process: ChildProcess }> {
  const url = new URL(stack.addresses.MUSUBI_POSTGRES_URL ?? '');
  url.pathname = `/${DATABASE}`;
  const script = join(import.meta.dirname, 'bare-koa.ts');
  const { command: node, args, env } = commandLine(['gateway']);
  const flags = args.filter((arg) => arg.startsWith('--'));
  const child = spawn(node, [...flags, script, url.href], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [port] = await once(child.stdout, 'data');
  return { base: `http://127.0.0.1:${String(port).trim()}`, process: child };
}

/** What every process takes while nobody asks for anything: CPU ms a second. */
async function idleRates(pids: Record<string, number>): Promise<Record<string, number>> {
  const before = Object.entries(pids).map(([name, pid]) => [name, cpuMs(pid)] as const);
  await sleep(IDLE_MS);
  return Object.fromEntries(before.map(([name, ms]) => [name, (cpuMs(pids[name] ?? 0) - ms) / (IDLE_MS / 1_000)]));
}

/** CPU ms of each that is done, by process, without what is taken anyway. */
function cpuOf(done: Series, idle: Record<string, number>, { of }: Work): Record<string, number> {
  const asker = 'the benchmark';
  const counted = Object.entries(done.cpu).filter(([name]) => (of === 'this process' ? name === asker : name !== asker));
  return Object.fromEntries(
    counted.map(([name, ms]) => [name, Math.max(0, ms - (idle[name] ?? 0) * done.seconds) / done.times.length]),
  );
}

const sum = (cpu: Record<string, number>): number =>
  Object.entries(cpu).reduce((all, [name, ms]) => (name === HASHED ? all : all + ms), 0);

const summary = (done: Series, idle: Record<string, number>, work: Work): string =>
  `${work.of}, ${done.concurrency} at a time: ${sum(cpuOf(done, idle, work)).toFixed(2)} ms of CPU, p50 ${round(quantile(done, 0.5))} ms, ${round(throughput(done))} per second`;

function render(all: { work: Work; done: Series }[], idle: Record<string, number>): string {
  const costsOf = (name: string): Record<string, number> => {
    const found = all.find(({ work }) => work.name === name);
    if (!found) throw new Error(name);
    return cpuOf(found.done, idle, found.work);
  };
  const cost = (name: string): number => sum(costsOf(name));
  const aims: [string, string, string][] = [
    ...[LANES, 8].flatMap((n): [string, string, string][] => [
      [`GET by ID ÷ bare Koa, ${n} at a time`, (cost(`get ${n}`) / cost(`bare get ${n}`)).toFixed(1), '≤ 4'],
      [`list of ${PAGE} ÷ bare Koa, ${n} at a time`, (cost(`list ${n}`) / cost(`bare list ${n}`)).toFixed(1), '≤ 4'],
    ]),
    ['login − a hash that is made alone, ms', (cost('login 8') - cost('hash')).toFixed(1), '≤ 6'],
    ['login − its hash as it was made beside the rest, ms', (cost('login 8') - (costsOf('login 8')[HASHED] ?? 0)).toFixed(1), ''],
    ['refresh, 8 at a time, ms', cost('refresh 8').toFixed(2), '≤ 2.5'],
  ];
  const rows = all.map(({ work, done }) => [
    work.title,
    work.of,
    String(work.concurrency),
    sum(cpuOf(done, idle, work)).toFixed(2),
    quantile(done, 0.5),
    quantile(done, 0.99),
    throughput(done),
  ]);
  const shown = all.filter(({ work }) => work.concurrency !== 1);
  const costs = shown.map(({ work, done }) => cpuOf(done, idle, work));
  const processes = [...new Set(costs.flatMap((cost) => Object.keys(cost)))].filter((name) =>
    costs.some((cost) => (cost[name] ?? 0) >= 0.05),
  );
  const cpu = processes.map((name) => [name, ...costs.map((cost) => (cost[name] === undefined ? '' : cost[name].toFixed(2)))]);
  const each = !processes.includes('app');
  return [
    `# Reads, logins and refreshes\n\n\`npm run bench reads${each ? ' -- --processes each' : ''}\`; ${ROUNDS} rounds on ${cpus().length} cores (${cpus()[0]?.model.trim()}), Node ${process.version}. Every lane is a member with a session of its own. CPU is that of all processes but the asker's, without what they take when nobody asks.`,
    table(['ratio or cost', 'measured', 'aim'], aims),
    table(['what', 'of', 'at a time', 'CPU ms', 'p50 ms', 'p99 ms', 'per second'], rows),
    '## CPU milliseconds a request, by process',
    table(['process', ...shown.map(({ work }) => `${work.name.replace(/ (\d+)$/, ' ×$1')}`)], cpu),
    '',
  ].join('\n\n');
}
