import test from 'ava';
import { CHEAP } from './auth.fixture.ts';
import { HashQueue } from './hash-queue.ts';
import { type HashOptions, Passwords } from './passwords.ts';

const TURN: HashOptions = { turn: ['registration'] };
const passwords = new Passwords(CHEAP, new HashQueue(1, 10));

test('a password is verified against its own hash only', async (t) => {
  const hash = await passwords.hash('correct horse', TURN);
  t.true(await passwords.verify('correct horse', hash, TURN));
  t.false(await passwords.verify('correct horsE', hash, TURN));
  t.false(await passwords.verify('', hash, TURN));
  t.false(await passwords.verify('correct horse', undefined, TURN), 'an unknown login has no password');
  t.not((await passwords.hash('correct horse', TURN)).hash, hash.hash, 'every hash has its own salt');
});

test('the same characters in another form are the same password', async (t) => {
  const hash = await passwords.hash('Ｂücher がある', TURN);
  t.true(await passwords.verify('Bu\u0308cher か\u3099ある', hash, TURN));
});

test('a hash says how it was made, so that a changed cost still verifies it', async (t) => {
  const hash = await passwords.hash('correct horse', TURN);
  t.like(hash, { algorithm: 'argon2id', ...CHEAP });
  const dearer = new Passwords({ ...CHEAP, passes: 2 }, new HashQueue(1, 10));
  t.true(await dearer.verify('correct horse', hash, TURN));
  t.true(dearer.outdated(hash));
  t.false(passwords.outdated(hash));
});
