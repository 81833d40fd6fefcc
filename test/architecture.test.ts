import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { isIn, isTest, RULES } from './import-rules.ts';
import { circles, importsOf, type Sources, violations } from './imports.ts';

// The rules of ARCHITECTURE.md about code. Each test shows what breaks its rule: one that would let that pass is none.

const ROOT = join(import.meta.dirname, '..');
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: ROOT, encoding: 'utf8' })
  .split('\n')
  .filter(Boolean);
/** What runs: the sources without their tests. */
const running: Sources = Object.fromEntries(
  files.filter((file) => file.endsWith('.ts') && !isTest(file)).map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]),
);

for (const [name, rule] of Object.entries(RULES)) {
  test(name, (t) => {
    for (const sample of rule.broken) t.is(violations(rule, sample).length, 1, `lets pass: ${JSON.stringify(sample)}`);
    for (const sample of rule.sound) t.deepEqual(violations(rule, sample), [], `forbids: ${JSON.stringify(sample)}`);
    t.true(Object.keys(running).some(rule.of), 'is about nothing');
    t.deepEqual(violations(rule, running), [], `forbidden because ${rule.why}`);
  });
}

test('imports are seen however they are written', (t) => {
  for (const [text, target, typeOnly = false] of [
    [`import a from 'a';`, 'a'],
    [`import {\n  type A,\n  b,\n} from "a";`, 'a'],
    [`import * as a from 'a';`, 'a'],
    [`import 'a';`, 'a'],
    [`import type { A } from 'a';`, 'a', true],
    [`export type { A } from 'a';`, 'a', true],
    [`export { a } from './a.ts';`, 'services/x/a.ts'],
    [`export * from '#platform/a.ts';`, 'platform/a.ts'],
    [`const a = 1;import b from '#proto/a.ts';`, 'platform/gen/a.ts'],
    [`const a = await import('../a.ts');`, 'services/a.ts'],
    [`const a = require('a');`, 'a'],
    [`const a = createRequire(import.meta.url)('a');`, 'a'],
  ] as const) {
    t.like(importsOf('services/x/y.ts', text), { length: 1, 0: { target, typeOnly } }, text);
  }
});

test('files of platform and of services know each other in one direction', (t) => {
  const [ab, ba] = [`import { b } from './b.ts';`, `import type { A } from './a.ts';`];
  t.deepEqual(circles({ 'platform/a.ts': ab, 'platform/b.ts': ba }), ['platform/a.ts → platform/b.ts → platform/a.ts']);
  const bc = `import { c } from './c.ts';`;
  t.is(circles({ 'platform/a.ts': ab, 'platform/b.ts': bc, 'platform/c.ts': ba }).length, 1);
  t.deepEqual(circles({ 'platform/a.ts': `${ab}\n${bc}`, 'platform/b.ts': bc, 'platform/c.ts': `import pg from 'pg';` }), []);
  const known = Object.entries(running).filter(([file]) => isIn('platform', 'services')(file) && !isIn('platform/gen')(file));
  t.deepEqual(circles(Object.fromEntries(known)), [], 'of two that know each other, neither is read or tested alone');
});

const readsEnvironment = (text: string): boolean =>
  /\bprocess\??\.env\b|\bprocess\??\.?\[|[{,]\s*env\b[^}]*\}\s*=\s*process\b|from 'node:process'|from 'process'|import\.meta\.env/.test(
    text,
  );

test('only config.ts, main.ts and temporal.config.ts read the environment', (t) => {
  for (const text of [
    'process.env.A',
    `process['env']`,
    'const { env } = process;',
    'const { argv, env: e } = process;',
    `import { env } from 'node:process';`,
  ])
    t.true(readsEnvironment(text), text);
  for (const text of ['process.environment', 'const { argv } = process;', 'app.config.env'])
    t.false(readsEnvironment(text), text);
  const readers = Object.entries(running).filter(
    ([file, text]) => !/(^|\/)(main|config)\.ts$/.test(file) && file !== 'temporal.config.ts' && readsEnvironment(text),
  );
  t.deepEqual(
    readers.map(([file]) => file),
    [],
    'settings are read once, checked and typed; take them from app.config',
  );
});

const isDumpingGround = (path: string): boolean => /(^|[/._-])(common|utils?|helpers?|misc)([/._-]|$)/i.test(path);

test('no folder or file is a dumping ground', (t) => {
  for (const path of ['platform/utils.ts', 'common/a.ts', 'services/a/string-helpers.ts', 'local/misc.py', 'gateway/util/a.ts'])
    t.true(isDumpingGround(path), path);
  for (const path of ['services/a/steps/a.ts', 'platform/utility-bill.ts']) t.false(isDumpingGround(path), path);
  t.deepEqual(files.filter(isDumpingGround), [], 'a name says what is inside');
});

test('what nobody waits for has an end', (t) => {
  // A promise that rejects with nobody there ends the process, and `void` says only that one knows: it ends in `.catch`,
  // most often with `logDefect`. The linter finds the promises that have neither.
  const alone = /\bvoid (?!\(await )[\w#(]/;
  for (const text of ['void work();', 'setTimeout(() => void this.#work(), 5)', 'return void (work(), 5);']) t.regex(text, alone);
  for (const text of ['(): void => {', '(a: () => void): Promise<void>', 'async () => void (await work())'])
    t.notRegex(text, alone);
  const lines = Object.entries(running).flatMap(([file, source]) => source.split('\n').map((line) => `${file}: ${line.trim()}`));
  t.deepEqual(
    lines.filter((line) => alone.test(line)),
    [],
  );
});

/** Where the time of day is meant: what is written down or shown, deadlines of gRPC, which takes no other, and Temporal's time. */
const TIME_OF_DAY = [
  'workflows/',
  'platform/validation/id.ts',
  'platform/grpc/',
  'platform/mongo/collections.ts',
  'platform/operations/',
  'platform/outbox/replication.ts',
  'platform/kafka/publish.ts',
  'services/chat/messages/',
  'services/job/rpcs/await-job.ts',
  'services/query/projector.ts',
  'services/websocket/metrics.ts',
  'worker/host.ts',
  'worker/client.ts',
  'worker/terms.ts',
  'worker/unfinished-jobs.ts',
  'worker/watch.ts',
];
const tellsTimeOfDay = (text: string): boolean => /\bDate\.now\b/.test(text);

test('what time passes is measured by performance.now(): the clock of the host may be turned', (t) => {
  t.true(tellsTimeOfDay('const begun = Date.now();'));
  const wrong = Object.entries(running).filter(
    ([file, text]) => !TIME_OF_DAY.some((place) => file.startsWith(place)) && tellsTimeOfDay(text),
  );
  t.deepEqual(
    wrong.map(([file]) => file),
    [],
  );
});
