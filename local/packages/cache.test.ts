import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { lock } from '../lock.ts';
import type { Say } from '../run-command.ts';
import { cached } from './cache.ts';

process.env.MUSUBI_CACHE = mkdtempSync(join(tmpdir(), 'musubi-cache-'));
const root = process.env.MUSUBI_CACHE;
test.after.always(() => rmSync(root, { recursive: true, force: true }));
const entry = (key: string, say: Say = () => {}) => ({ key, what: `the ${key}`, say });

test('is built once, however many ask at the same time', async (t) => {
  let builds = 0;
  const ask = () =>
    cached(entry('once'), async (folder) => {
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
  const failing = cached(entry('flaky'), async (folder) => {
    await writeFile(join(folder, 'half'), '');
    throw new Error('the network went away');
  });
  await t.throwsAsync(failing, { message: 'the network went away' });
  t.false(existsSync(join(root, 'flaky')));
  const place = await cached(entry('flaky'), (folder) => writeFile(join(folder, 'whole'), ''));
  t.deepEqual(readdirSync(place), ['whole']);
});

test('what a killed build left is cleared', async (t) => {
  const left = join(root, '.building', 'killed~abc');
  mkdirSync(left, { recursive: true });
  writeFileSync(join(left, 'half'), '');
  await cached(entry('killed'), async () => {});
  t.false(existsSync(left));
});

test('who waits is told for what, and whether it is this start or another that has it under way', async (t) => {
  const said: string[] = [];
  const begun = Promise.withResolvers<void>();
  const ours = cached(entry('ours'), async () => {
    begun.resolve();
    while (said.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  });
  await begun.promise;
  await cached(
    entry('ours', (detail) => said.push(detail)),
    async () => {},
  );
  await ours;
  const another = await lock(`cache ${join(root, 'theirs')}`);
  await cached(
    entry('theirs', (detail) => {
      said.push(detail);
      void another.release();
    }),
    async () => {},
  );
  t.deepEqual(said, ['waiting for the ours, which is under way', 'waiting for the theirs, which another start has under way']);
});
