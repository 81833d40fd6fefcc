import test from 'ava';
import { environmentOf } from './program.ts';

test("a variable with a program's name is that program's, and goes before the one of all", (t) => {
  const env = { MUSUBI_POSTGRES_URL: 'of all', MUSUBI_MEMBER_POSTGRES_URL: 'of member', MUSUBI_MEMBERS_REDIS_URL: 'of others' };
  t.is(environmentOf('member', env).MUSUBI_POSTGRES_URL, 'of member');
  t.is(environmentOf('role', env).MUSUBI_POSTGRES_URL, 'of all');
  t.is(environmentOf('member', env).MUSUBI_REDIS_URL, undefined);
});

test("an empty variable of a program's counts as none", (t) => {
  const env = { MUSUBI_POSTGRES_URL: 'of all', MUSUBI_MEMBER_POSTGRES_URL: '' };
  t.is(environmentOf('member', env).MUSUBI_POSTGRES_URL, 'of all');
});
