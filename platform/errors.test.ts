import { status } from '@grpc/grpc-js';
import test from 'ava';
import { failedPrecondition, invalidFields, MusubiError, notFound, sentence, unavailable } from './errors.ts';
import { PROBLEMS } from './problems.ts';

test('whatever an error is made of, its message is a whole sentence', (t) => {
  for (const [text, expected] of [
    ['the login is taken', 'The login is taken.'],
    ['The login is taken.', 'The login is taken.'],
    ['is it?', 'Is it?'],
    ['ünlü', 'Ünlü.'],
    ['', ''],
  ] as const) {
    t.is(sentence(text), expected);
    t.is(failedPrecondition('LAST_ADMIN', text).message, expected);
  }
});

test('wrong fields are named with where they stand, the first in words', (t) => {
  const long = { code: 'TOO_LONG', message: 'must have at most 3 characters' } as const;
  for (const [fields, expected] of [
    [[], 'The request is not valid.'],
    [[{ field: 'name', ...long }], 'The request is not valid: name must have at most 3 characters.'],
    [[{ in: 'query', field: 'q', ...long }], 'The request is not valid: the parameter q must have at most 3 characters.'],
    [[{ in: 'header', field: 'Prefer', ...long }], 'The request is not valid: the header Prefer must have at most 3 characters.'],
    [[{ in: 'body', field: '', code: 'REQUIRED', message: 'is missing' }], 'The request is not valid: the body is missing.'],
    [
      [
        { field: 'name', ...long },
        { field: 'b', ...long },
      ],
      'The request is not valid: name must have at most 3 characters, and 1 more.',
    ],
  ] as const) {
    const error = invalidFields(fields, 'INVALID_MEMBER');
    t.is(error.message, expected);
    t.is(error.code, 'INVALID_MEMBER');
    t.deepEqual(error.fields, fields);
  }
});

test('a client is told nothing that is for operators, and no code between services', (t) => {
  t.deepEqual(notFound('JOB_NOT_FOUND', 'there is no such job').told, {
    code: 'JOB_NOT_FOUND',
    message: 'There is no such job.',
  });
  const address = '14 UNAVAILABLE: connect ECONNREFUSED 10.0.0.7:4000';
  const away = unavailable('SERVICE_UNAVAILABLE', address, { forOperators: true });
  t.is(away.message, address);
  t.deepEqual(away.told, { code: 'SERVICE_UNAVAILABLE', message: PROBLEMS.SERVICE_UNAVAILABLE.meaning });
  t.deepEqual(failedPrecondition('LOCK_NOT_HELD', 'the inside').told, { code: 'CONFLICT', message: PROBLEMS.CONFLICT.meaning });
  const defect = new MusubiError(status.INTERNAL, 'INTERNAL', 'the inside');
  t.deepEqual(defect.told, { code: 'INTERNAL', message: PROBLEMS.INTERNAL.meaning });
});
