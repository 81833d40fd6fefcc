import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import test from 'ava';

/** The import rules of ARCHITECTURE.md. A rule says what it forbids and why, so that its failure explains itself. */
interface Import {
  file: string;
  /** Of our own files the path from the root, of packages the specifier. */
  target: string;
  ours: boolean;
  typeOnly: boolean;
}

interface Rule {
  why: string;
  forbids(imported: Import): boolean;
}

const top = (path: string): string => path.split('/')[0] ?? '';
const service = (path: string): string => path.split('/').slice(0, 2).join('/');
/** `*.fixture.ts` is what tests of one folder share. */
const isTest = (file: string): boolean => /\.(test|fixture)\.ts$/.test(file) || ['test', 'bench', 'local'].includes(top(file));
const DRIVERS = ['pg', 'mongodb', 'ioredis', 'kafkajs', '#platform/postgres.ts', '#platform/mongo.ts', '#platform/redis.ts'];

const RULES: Record<string, Rule> = {
  'workflows see nothing of the machine': {
    why: 'a workflow must replay the same for ever: it may import @temporalio/workflow, its own folder, temporal.config.ts, and types',
    forbids: ({ file, target, ours, typeOnly }) =>
      top(file) === 'workflows' &&
      !typeOnly &&
      !(ours && (top(target) === 'workflows' || target === 'temporal.config.ts')) &&
      !target.startsWith('@temporalio/workflow') &&
      !target.startsWith('@temporalio/interceptors-opentelemetry-v2') &&
      target !== '@temporalio/common',
  },
  'activities call services by gRPC': {
    why: 'an activity is one call of a service; the inside of the service is none of its business',
    forbids: ({ file, target, ours }) =>
      top(file) === 'activities' && ours && !['activities', 'platform', 'temporal.config.ts'].includes(top(target)),
  },
  'services are strangers to each other': {
    why: 'services talk by gRPC and Kafka, so that each can be deployed, scaled and replaced alone',
    forbids: ({ file, target, ours }) =>
      top(file) === 'services' && ours && top(target) !== 'platform' && service(target) !== service(file),
  },
  'domain.ts is pure': {
    why: 'types and rules can be read and tested without any store or server',
    forbids: ({ file, target, ours, typeOnly }) =>
      file.endsWith('/domain.ts') && ours && !typeOnly && dirname(target) !== dirname(file) && target !== 'platform/errors.ts',
  },
  'the gateway has no database': {
    why: 'it validates, authorises and passes on; data belongs to the services',
    forbids: ({ file, target }) =>
      top(file) === 'gateway' && DRIVERS.some((driver) => target === driver || `#${target}` === driver),
  },
  'the gateway knows services by their contract only': {
    why: 'it could not be deployed apart from them otherwise',
    forbids: ({ file, target, ours }) => top(file) === 'gateway' && ours && ['services', 'activities'].includes(top(target)),
  },
  'platform stands alone': {
    why: 'everything stands on it, so it can stand on nothing of ours',
    forbids: ({ file, target, ours }) => top(file) === 'platform' && ours && top(target) !== 'platform',
  },
};

const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.ts'], {
  cwd: join(import.meta.dirname, '..'),
  encoding: 'utf8',
})
  .split('\n')
  .filter(Boolean);

const read = (file: string): string => readFileSync(join(import.meta.dirname, '..', file), 'utf8');

function importsOf(file: string): Import[] {
  const found: Import[] = [];
  // Static imports and re-exports, side-effect imports, and dynamic ones.
  const pattern =
    /(?:^|\n)\s*(import|export)\s+(type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)/g;
  for (const match of read(file).matchAll(pattern)) {
    const specifier = match[3] ?? match[4] ?? '';
    const ours = specifier.startsWith('.') || specifier.startsWith('#');
    const target = specifier.startsWith('#proto/')
      ? specifier.replace('#proto/', 'platform/gen/')
      : specifier.startsWith('#platform/')
        ? specifier.replace('#platform/', 'platform/')
        : ours
          ? normalize(join(dirname(file), specifier))
          : specifier;
    found.push({ file, target, ours, typeOnly: match[2] !== undefined });
  }
  return found;
}

for (const [name, rule] of Object.entries(RULES)) {
  test(name, (t) => {
    const broken = files
      .filter((file) => !isTest(file))
      .flatMap(importsOf)
      .filter((imported) => rule.forbids(imported))
      .map(({ file, target }) => `${file} imports ${target}`);
    t.deepEqual(broken, [], `forbidden because ${rule.why}`);
  });
}

test('the rules see imports at all', (t) => {
  const main = importsOf('main.ts').map(({ target }) => target);
  t.true(main.includes('platform/process.ts') && main.includes('gateway/main.ts') && main.includes('node:util'));
});

test('only config.ts, main.ts and temporal.config.ts read the environment', (t) => {
  const readers = files.filter(
    (file) =>
      !isTest(file) &&
      !/(^|\/)(main|config)\.ts$/.test(file) &&
      file !== 'temporal.config.ts' &&
      /process\.env\b/.test(read(file)),
  );
  t.deepEqual(readers, [], 'settings are read once, checked and typed; take them from app.config');
});

test('no folder or file is a dumping ground', (t) => {
  t.deepEqual(
    files.filter((file) => /(^|\/)(common|utils?|helpers?|misc)(\/|\.ts$)/.test(file)),
    [],
    'a name says what is inside',
  );
});
