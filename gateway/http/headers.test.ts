import test from 'ava';
import { fingerprint } from '../commands/fingerprint.ts';
import { entityTag, expectedVersion, ifMatch, ifNoneMatch } from './etag.ts';
import { MAX_WAIT_SECONDS, preferredWait } from './prefer.ts';

test('Prefer: wait as RFC 7240 has it', (t) => {
  const cases: [string, number][] = [
    ['', 0],
    ['wait=5', 5],
    ['Wait=5', 5],
    ['wait="7"', 7],
    ['respond-async, wait=10', 10],
    ['wait = 3; foo=bar', 3],
    ['wait=5, wait=9', 5],
    ['wait=100', MAX_WAIT_SECONDS],
    ['wait=0', 0],
    ['wait=-1', 0],
    ['wait=x', 0],
    ['wait', 0],
    ['wait=1.5', 0],
    ['await=5', 0],
    ['return=minimal', 0],
    [`wait=${'9'.repeat(400)}`, 0],
  ];
  for (const [header, seconds] of cases) t.is(preferredWait(header), seconds, header);
});

test('an entity tag gives its version back', (t) => {
  const tag = entityTag(12, { a: 1 });
  t.is(expectedVersion(tag), 12);
  t.not(entityTag(12, { a: 2 }), tag, 'the same version shown otherwise');
  t.is(expectedVersion('"12"'), 12);
  // As those of rooms are, which begin with a time.
  t.is(expectedVersion('"1795824471333001.mPq5x2Aa"'), 1_795_824_471_333_001);
  t.is(expectedVersion(undefined), undefined);
  t.is(expectedVersion('*'), undefined);
  for (const tag of ['W/"12"', '"x"', '""', '"12x"', '"12', '"9007199254740993"'])
    t.throws(() => expectedVersion(tag), { message: /entity tag/ }, tag);
});

test('entity tags as RFC 9110 has them', (t) => {
  for (const one of ['"1"', 'W/"1"', '""', '"a.b/c"', '*']) {
    t.true(ifMatch.safeParse(one).success, one);
    t.true(ifNoneMatch.safeParse(one).success, one);
  }
  for (const none of ['', '1', 'x', '"a', '"a"b"', 'w/"1"', '"a b"', '*, "1"', '"1",']) {
    t.false(ifMatch.safeParse(none).success, none);
    t.false(ifNoneMatch.safeParse(none).success, none);
  }
  for (const several of ['"1", "2"', 'W/"1" ,"2"']) {
    t.false(ifMatch.safeParse(several).success, several);
    t.true(ifNoneMatch.safeParse(several).success, several);
  }
});

test('a fingerprint is of what is asked, whatever the order of its fields', (t) => {
  const asked = { method: 'POST', path: '/v1/members', body: { a: 1, b: { c: [1, 2], d: null } } };
  const same = fingerprint({ ...asked, body: { b: { d: null, c: [1, 2] }, a: 1 } });
  t.is(fingerprint(asked), same);
  for (const other of [
    { ...asked, method: 'PATCH' },
    { ...asked, path: '/v1/member' },
    { ...asked, condition: '"1"' },
    { ...asked, body: { ...asked.body, a: '1' } },
    { ...asked, body: { a: 1, b: { c: [2, 1], d: null } } },
    { ...asked, body: undefined },
  ]) {
    t.not(fingerprint(other), same);
  }
});
