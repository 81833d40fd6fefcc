import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { status } from '@grpc/grpc-js';
import test from 'ava';
import { FIELD_CODES, isProblemCode, knownCode, PROBLEM_AREAS, PROBLEM_CODES, problemKind } from '#platform/problems.ts';

const ROOT = join(import.meta.dirname, '..');
const read = (pattern: string): [file: string, text: string][] =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', pattern], { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter(Boolean)
    .map((file) => [file, readFileSync(join(ROOT, file), 'utf8')]);

/** Where codes are told of and not used. */
const isCatalogue = (file: string): boolean => /^platform\/problems(\.ts|\/)|^gateway\/http\/declared-problems\.ts$/.test(file);

const sources = [...read('*.ts'), ...read('*.lua')];
/** What runs, without these. */
const running = sources
  .filter(([file]) => !/\.(test|fixture)\.ts$|^(test|bench|local)\//.test(file) && !isCatalogue(file))
  .map(([, text]) => text)
  .join('\n');
const isUsed = (code: string): boolean => new RegExp(`['"\`:]${code}['"\`,:]`).test(running);

test('every code of the catalogue is used somewhere', (t) => {
  /** What stands for codes that are not known. */
  const ofStatuses = new Set(Object.keys(status).map((name) => knownCode('', name)));
  t.deepEqual(
    PROBLEM_CODES.filter((code) => !isUsed(code) && !ofStatuses.has(code)),
    [],
  );
  t.deepEqual(
    FIELD_CODES.filter((code) => !isUsed(code)),
    [],
  );
  t.false(isUsed('NO_SUCH_CODE'));
  // Files that are moved must not turn what only lists a code into its use.
  t.is(
    sources.filter(([file]) => isCatalogue(file) && /^(platform\/problems|gateway\/http\/declared-problems)\.ts$/.test(file))
      .length,
    2,
  );
});

test('a code is in one area', (t) => {
  const codes = PROBLEM_AREAS.flatMap((area) => Object.keys(area));
  t.deepEqual(
    codes.filter((code, index) => codes.indexOf(code) !== index),
    [],
  );
  t.is(codes.length, PROBLEM_CODES.length);
});

test('meanings and remedies are whole sentences', (t) => {
  for (const code of PROBLEM_CODES) {
    const { meaning, remedy = meaning } = problemKind(code);
    for (const text of [meaning, remedy]) t.regex(text, /^[A-Z/].*[.]$/s, code);
  }
});

/** Words that look like a code and are none: statuses of gRPC, and values of the contract's own enums. */
function codesIn(proto: string): string[] {
  const values = new Set(proto.match(/^ {2}[A-Z_]+(?= = \d+;)/gm)?.map((line) => line.trim()));
  const comments = proto.match(/\/\/.*$/gm)?.join('\n') ?? '';
  return [...comments.matchAll(/\b[A-Z]+(?:_[A-Z]+)+\b/g)]
    .map(([word]) => word)
    .filter((word) => !(word in status) && !values.has(word));
}

test('the codes that the contract between services names are those of the catalogue', (t) => {
  t.deepEqual(codesIn('// Refused: A_CODE, NOT_FOUND or IS_VALUE.\nenum E {\n  IS_VALUE = 0;\n}'), ['A_CODE']);
  let named = 0;
  for (const [file, text] of read('*.proto')) {
    const codes = codesIn(text);
    named += codes.length;
    t.deepEqual(
      codes.filter((code) => !isProblemCode(code)),
      [],
      file,
    );
  }
  t.true(named > 10);
});
