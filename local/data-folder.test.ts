import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { emptyDataFolder, openDataFolder, rotateLogs } from './data-folder.ts';
import {
  isFirstStart,
  keepAdmin,
  keepSecrets,
  keptSecrets,
  randomWord,
  type Secrets,
  secretsFor,
  secretsPath,
} from './secrets.ts';
import { withoutRoot } from './without-root.fixture.ts';

const root = mkdtempSync(join(tmpdir(), 'musubi-data-'));
chmodSync(root, 0o755);
const temporary = () => mkdtempSync(join(root, 'folder-'));
test.after.always(() => rmSync(root, { recursive: true, force: true }));

/** As a start does. */
function loadSecrets(folder: string, env: NodeJS.ProcessEnv): Secrets {
  const secrets = secretsFor(keptSecrets(folder), env);
  keepSecrets(folder, secrets);
  return secrets;
}

test('a folder that holds something of somebody else is refused', async (t) => {
  const folder = temporary();
  writeFileSync(join(folder, 'thesis.txt'), 'precious');
  await t.throwsAsync(openDataFolder(folder), { message: /holds something else than Musubi's data/ });
});

test('a folder that cannot be made or used is refused with why and what to do', async (t) => {
  const file = join(temporary(), 'file');
  writeFileSync(file, '');
  const refusal = (path: string, verb: string, why: string) => ({
    message: `the data folder ${path} cannot be ${verb} (${why}): give a folder that you may write, with --data`,
  });
  await t.throwsAsync(openDataFolder(file), refusal(file, 'made', 'it is a file'));
  await t.throwsAsync(openDataFolder(join(file, 'below')), refusal(join(file, 'below'), 'made', 'a part of it is a file'));
  const closed = temporary();
  chmodSync(closed, 0o500);
  const imports = `import { openDataFolder } from ${JSON.stringify(new URL('data-folder.ts', import.meta.url).href)};`;
  const refused = (path: string): string =>
    withoutRoot(imports, `await openDataFolder(${JSON.stringify(path)}).catch((error) => console.log(error.message));`);
  for (const [path, verb] of [
    [closed, 'used'],
    [join(closed, 'below'), 'made'],
  ] as const)
    t.is(refused(path), refusal(path, verb, 'permission denied').message);
});

test('a folder of ours is opened again and can be emptied', async (t) => {
  const { path: folder } = await openDataFolder(join(temporary(), 'new', 'folder'));
  loadSecrets(folder, {});
  writeFileSync(join(folder, 'more'), '');
  t.is((await openDataFolder(folder)).path, folder);
  await emptyDataFolder(folder);
  t.deepEqual(readdirSync(folder), []);
});

test('a start that is refused leaves the disk as it was', async (t) => {
  const parent = temporary();
  const made = await openDataFolder(join(parent, 'new', 'folder'));
  loadSecrets(made.path, {});
  await made.undo();
  t.deepEqual(readdirSync(parent), [], 'with the folders above it that were made for it');

  const empty = temporary();
  const opened = await openDataFolder(empty);
  loadSecrets(empty, {});
  await opened.undo();
  t.deepEqual(readdirSync(empty), [], 'a folder that was there stays');

  loadSecrets(empty, {});
  const used = await openDataFolder(empty);
  await used.undo();
  t.deepEqual(readdirSync(empty), ['secrets.json'], 'data stays');
});

test('secrets are made once, for their owner only', (t) => {
  const folder = temporary();
  const secrets = loadSecrets(folder, {});
  t.deepEqual(loadSecrets(folder, {}), secrets);
  t.is(statSync(secretsPath(folder)).mode & 0o777, 0o600);
  t.is(Buffer.from(secrets.authMasterKey, 'base64').length, 32);
  t.notDeepEqual(loadSecrets(temporary(), {}), secrets);
});

test('what is made up is the same wherever it is pasted or handed on', (t) => {
  for (let i = 0; i < 2_000; i++) {
    const word = randomWord();
    t.regex(word, /^[A-Za-z][A-Za-z0-9]{20,}$/, 'no option, number, quote or escape');
    t.is(new URL(`postgres://user:${word}@host/`).password, word);
  }
  const made = loadSecrets(temporary(), {});
  for (const secret of [made.postgresPassword, made.s3SecretAccessKey, made.s3AccessKeyId, made.adminPassword])
    t.regex(secret, /^[A-Za-z][A-Za-z0-9]*$/);
});

test('logs of the start before are kept, older ones are not', async (t) => {
  const folder = temporary();
  writeFileSync(join(folder, 'kafka.log'), 'first');
  await rotateLogs(folder);
  writeFileSync(join(folder, 'kafka.log'), 'second');
  await rotateLogs(folder);
  t.deepEqual(readdirSync(folder), ['kafka.previous.log']);
  t.is(statSync(join(folder, 'kafka.previous.log')).size, 'second'.length);
});

test('a start is the first one until there was one that got ready', (t) => {
  const folder = temporary();
  t.true(isFirstStart(folder));
  loadSecrets(folder, {});
  t.true(isFirstStart(folder), 'the one before failed, so it printed no password');
  keepAdmin(folder);
  t.false(isFirstStart(folder));
});

test('the first admin is whom the environment said when it was registered', (t) => {
  const folder = temporary();
  const { adminPassword: madeUp } = loadSecrets(folder, { MUSUBI_ADMIN_PASSWORD: '' });
  t.true(madeUp.length >= 20);
  // A start that did not get that far: what was wrong can be corrected.
  t.is(loadSecrets(folder, { MUSUBI_ADMIN_PASSWORD: 'short' }).adminPassword, 'short');
  const given = { MUSUBI_ADMIN_LOGIN_ID: 'hanako', MUSUBI_ADMIN_PASSWORD: 'long enough' };
  loadSecrets(folder, given);
  keepAdmin(folder);
  for (const later of [{}, { MUSUBI_ADMIN_LOGIN_ID: 'taro', MUSUBI_ADMIN_PASSWORD: 'another one' }])
    t.like(loadSecrets(folder, later), { adminLoginId: 'hanako', adminPassword: 'long enough' });
});

test('the master key of the environment is used, and kept for starts without it', (t) => {
  const folder = temporary();
  const [first, second] = [1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64'));
  t.is(loadSecrets(folder, { MUSUBI_AUTH_MASTER_KEY: first }).authMasterKey, first as string);
  t.is(loadSecrets(folder, {}).authMasterKey, first as string);
  t.is(loadSecrets(folder, { MUSUBI_AUTH_MASTER_KEY: second }).authMasterKey, second as string);
  t.is(loadSecrets(folder, {}).authMasterKey, first as string, 'Auth refuses another: it must not be lost');
});
