import { existsSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cacheRoot } from '../places.ts';
import { startStack } from '../stack.ts';

/** What some program reads in its own way, and letters that are no ASCII. */
const NAME = `プロジェクト für mich, #1 100% %20 a?b! c:d 'e' "f" $HOME \`g\` \\h ;&|<>(*)[i]{j} -k`;

/** What each server makes in its own folder when it starts for the first time. */
const KEPT = {
  opensearch: 'data/nodes/0',
  kafka: 'log/meta.properties',
  s3: 'filerldb2',
  temporal: 'temporal.sqlite',
  mongodb: 'WiredTiger',
  postgres: 'cluster/PG_VERSION',
  redis: 'appendonlydir',
};

test('every server starts, and starts again, with its data and its program in a folder of any name, in any locale', async (t) => {
  const place = mkdtempSync(join(tmpdir(), 'musubi-paths-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const folder = join(realpathSync(place), NAME);
  mkdirSync(folder);
  const cache = join(folder, 'cache');
  // What is fetched already is taken from there, as if it were here.
  mkdirSync(cacheRoot(), { recursive: true });
  symlinkSync(cacheRoot(), cache);

  // The process is this file's own, and so is its environment.
  for (const name of Object.keys(process.env)) if (/^(MUSUBI_|LC_|LANG)/.test(name)) delete process.env[name];
  const temporary = join(folder, 'temporary');
  mkdirSync(temporary);
  Object.assign(process.env, { LC_ALL: 'POSIX', MUSUBI_CACHE: cache, TMPDIR: temporary });
  const dataDir = join(folder, 'data');
  for (const start of ['first', 'second']) {
    const stack = await startStack({ dataDir, ports: 'free', processes: 'none' });
    await stack.stop();
    for (const [server, file] of Object.entries(KEPT)) t.true(existsSync(join(dataDir, server, file)), `${start}: ${server}`);
    t.deepEqual(readdirSync(place), [NAME], 'nothing is written elsewhere');
    t.deepEqual(readdirSync(folder).toSorted(), ['cache', 'data', 'temporary']);
  }
});
