import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import test from 'ava';
import { workflowBundle } from './bundle.ts';

const folders = mkdtempSync(path.join(tmpdir(), 'musubi-bundle-'));
test.after.always(() => rmSync(folders, { recursive: true }));

test('a bundle is made once, and found again', async (t) => {
  const file = await workflowBundle(false, path.join(folders, 'new', 'folder'));
  const { mtimeMs } = statSync(file);
  t.is(await workflowBundle(false, path.dirname(file)), file);
  t.is(statSync(file).mtimeMs, mtimeMs);
  t.is(statSync(path.dirname(file)).mode & 0o777, 0o700, 'nobody else can put code into it');
});

test('a folder that has no bundle and takes none is told of, with the remedy', async (t) => {
  // A folder that even root can't write to: its path leads through a file.
  writeFileSync(path.join(folders, 'file'), '');
  await t.throwsAsync(workflowBundle(false, path.join(folders, 'file', 'folder')), {
    message: /not in .*file.folder, which cannot be written to: make it beforehand by .*MUSUBI_WORKFLOW_BUNDLES/,
  });
});
