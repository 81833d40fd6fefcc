import { join } from 'node:path';
import test from 'ava';
import { withoutTests } from './chosen.ts';

const checkout = join(import.meta.dirname, '../..');

test('what no test file matches is told, and files, folders and patterns that have some are not', (t) => {
  const good = [
    'platform/validation',
    './platform/validation/',
    'test/runner/chosen.test.ts',
    'test/runner/chosen.test.ts:9',
    'test/*/*sen.test.ts',
    '**/chosen.test.ts',
    'test/faults',
    join(checkout, 'services/member'),
  ];
  const bad = ['nonexistent', 'test/runner/chosen.ts', 'test/chos', 'node_modules', '../elsewhere'];
  t.deepEqual(withoutTests([...good, ...bad], checkout), bad);
});
