import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { workflowBundle } from './bundle.ts';

const folders = mkdtempSync(path.join(tmpdir(), 'musubi-bundle-'));
test.after.always(() => rmSync(folders, { recursive: true }));

/** A folder that even root can't write to: its path leads through a file. */
const unwritable = path.join(folders, 'file', 'folder');
writeFileSync(path.join(folders, 'file'), '');

const nowhere = { message: /can be kept neither in/ };

test('the spare folder is made for this user alone, and what it holds is used again', async (t) => {
  const spare = path.join(folders, 'spare');
  const file = await workflowBundle(false, unwritable, spare);
  t.is(path.dirname(file), spare);
  t.is(statSync(spare).mode & 0o777, 0o700);
  const { mtimeMs } = statSync(file);
  t.is(await workflowBundle(false, unwritable, spare), file);
  t.is(statSync(file).mtimeMs, mtimeMs);

  // Once others may write there, what it holds may be theirs.
  for (const mode of [0o777, 0o770, 0o702, 0o755]) {
    chmodSync(spare, mode);
    await t.throwsAsync(workflowBundle(false, unwritable, spare), nowhere, mode.toString(8));
  }
  chmodSync(spare, 0o700);
  const link = path.join(folders, 'link');
  symlinkSync(spare, link);
  await t.throwsAsync(workflowBundle(false, unwritable, link), nowhere);
});

test('a file in place of the spare folder is not used, nor one that can not be made', async (t) => {
  await t.throwsAsync(workflowBundle(false, unwritable, path.join(folders, 'file')), nowhere);
  await t.throwsAsync(workflowBundle(false, unwritable, path.join(folders, 'none', 'deeper')), nowhere);
});

test('the spare folder is left alone while the first can be written to', async (t) => {
  const folder = path.join(folders, 'first');
  mkdirSync(folder);
  const spare = path.join(folders, 'unused');
  const first = await workflowBundle(false, folder, spare);
  t.is(path.dirname(first), folder);
  t.false(existsSync(spare));
});

const otherUser = process.getuid?.() === 0 ? test : test.skip;
otherUser('a folder of another user is not used', async (t) => {
  const spare = path.join(folders, 'theirs');
  mkdirSync(spare, { mode: 0o700 });
  chownSync(spare, 12_345, 12_345);
  await t.throwsAsync(workflowBundle(false, unwritable, spare), nowhere);
});
