import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { emptyDataFolder, openDataFolder, rotateLogs } from './data-folder.ts';
import { loadSecrets, secretsPath } from './secrets.ts';

const temporary = () => mkdtempSync(join(tmpdir(), 'musubi-data-'));

test('a folder that holds something of somebody else is refused', async (t) => {
  const folder = temporary();
  writeFileSync(join(folder, 'thesis.txt'), 'precious');
  await t.throwsAsync(openDataFolder(folder), { message: /holds something else than Musubi's data/ });
});

test('a folder of ours is opened again and can be emptied', async (t) => {
  const folder = await openDataFolder(join(temporary(), 'new', 'folder'));
  loadSecrets(folder);
  writeFileSync(join(folder, 'more'), '');
  t.is(await openDataFolder(folder), folder);
  await emptyDataFolder(folder);
  t.deepEqual(readdirSync(folder), []);
});

test('secrets are made once, for their owner only', (t) => {
  const folder = temporary();
  const secrets = loadSecrets(folder);
  t.deepEqual(loadSecrets(folder), secrets);
  t.is(statSync(secretsPath(folder)).mode & 0o777, 0o600);
  t.is(Buffer.from(secrets.authMasterKey, 'base64').length, 32);
  t.notDeepEqual(loadSecrets(temporary()), secrets);
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
