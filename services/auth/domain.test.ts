import test from 'ava';
import { longestNormalized, SLOW_TO_NORMALIZE } from '#platform/validation/normalization.fixture.ts';
import { loginKey, normalizePassword, passwordViolation, REFRESH_IDLE_MS, sessionExpiry, siteOf } from './domain.ts';

test('logins that differ in case or width are one', (t) => {
  t.is(loginKey('Hanako.Yamada'), loginKey('hanako.yamada'));
  t.is(loginKey('ｈａｎａｋｏ'), 'hanako');
});

// Serial: it watches every normalisation of the process.
test.serial('a text that is too long for a login or a password is bounded before it is transformed', async (t) => {
  const longest = await longestNormalized(() => {
    loginKey(SLOW_TO_NORMALIZE);
    normalizePassword(SLOW_TO_NORMALIZE);
    t.regex(passwordViolation(SLOW_TO_NORMALIZE)?.message ?? '', /8 to 256/);
  });
  t.true(longest > 0 && longest <= 1_025, `${longest}`);
  for (const length of [64, 65]) {
    const wide = '\u{1d41a}'.repeat(length);
    t.is(loginKey(wide) === 'a'.repeat(64), length === 64, 'the longest login in its widest form, and one that begins like it');
  }
  t.not(normalizePassword(`${'か\u3099'.repeat(256)}${'x'.repeat(2_000)}`), 'が'.repeat(256), 'cut, it is still a wrong one');
});

test('a password has 8 to 256 characters, counted as people count them', (t) => {
  t.regex(passwordViolation('short 7')?.message ?? '', /8 to 256/);
  t.regex(passwordViolation('long'.repeat(65))?.message ?? '', /8 to 256/);
  t.is(passwordViolation('correct horse'), undefined);
  t.is(passwordViolation('山川海空花鳥風月'), undefined);
  t.regex(passwordViolation('🔑🔒🔓🗝')?.message ?? '', /8 to 256/);
  t.is(passwordViolation('ab'.repeat(4) + 'c'.repeat(248)), undefined);
});

for (const common of [
  'password',
  'PASSWORD',
  'ｐａｓｓｗｏｒｄ',
  'Password1!',
  'qwertyuiop',
  '12345678',
  '01234567',
  'aaaaaaaa',
  'abababab',
  'abcdefgh',
]) {
  test(`"${common}" is too common`, (t) => {
    t.regex(passwordViolation(common)?.message ?? '', /most common/);
  });
}

test('a session lives on with every use, but not for ever', (t) => {
  const now = new Date('2030-01-01T00:00:00Z');
  t.is(sessionExpiry(now, new Date('2031-01-01T00:00:00Z')).getTime() - now.getTime(), REFRESH_IDLE_MS);
  const end = new Date('2030-01-02T00:00:00Z');
  t.deepEqual(sessionExpiry(now, end), end);
});

test('the networks of a site are told by their first 48 bits, however they are written', (t) => {
  const sites = {
    '2001:db8:1:2::/64': '2001:db8:1::/48',
    '2001:db8:1::/64': '2001:db8:1::/48',
    '2001:db8::/64': '2001:db8::/48',
    '2001:db8:0:1::/64': '2001:db8::/48',
    '2001:0:0:1::/64': '2001::/48',
    '::/64': '::/48',
    '0:0:0:1::/64': '::/48',
  };
  for (const [source, site] of Object.entries(sites)) t.is(siteOf(source), site, source);
  for (const none of ['192.0.2.1', '', 'source-1']) t.is(siteOf(none), undefined);
});
