import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { cached } from './cache.ts';

process.env.MUSUBI_CACHE = mkdtempSync(join(tmpdir(), 'musubi-cache-'));
const root = process.env.MUSUBI_CACHE;
test.after.always(() => rmSync(root, { recursive: true, force: true }));
const quiet = () => {};

test('is built once, however many ask at the same time', async (t) => {
  let builds = 0;
  const ask = () =>
    cached('once', quiet, async (folder) => {
      builds++;
      await new Promise((resolve) => setTimeout(resolve, 100));
      await writeFile(join(folder, 'content'), 'x');
    });
  const places = await Promise.all([ask(), ask(), ask()]);
  t.is(builds, 1);
  t.deepEqual(new Set(places), new Set([join(root, 'once')]));
  t.true(existsSync(join(root, 'once', 'content')));
});

test('a build that failed leaves nothing that looks finished, and is done again', async (t) => {
  const failing = cached('flaky', quiet, async (folder) => {
    await writeFile(join(folder, 'half'), '');
    throw new Error('the network went away');
  });
  await t.throwsAsync(failing, { message: 'the network went away' });
  t.false(existsSync(join(root, 'flaky')));
  const place = await cached('flaky', quiet, (folder) => writeFile(join(folder, 'whole'), ''));
  t.deepEqual(readdirSync(place), ['whole']);
});

test('what a killed build left is cleared', async (t) => {
  const left = join(root, '.building', 'killed~abc');
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, 'half'), '');
  await cached('killed', quiet, async () => {});
  t.false(existsSync(left));
});
