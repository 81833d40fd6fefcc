import test from 'ava';
import { DatabaseError } from 'pg';
import { isUseless, parseLsn } from './replication.ts';

test('a position in the log is 64 bits', (t) => {
  t.is(parseLsn('0/0'), 0n);
  t.is(parseLsn('16/B374D848'), 0x16b374d848n);
  t.is(parseLsn('00000001/00000002'), 0x100000002n);
  for (const text of ['', '16', null]) t.throws(() => parseLsn(text));
});

test('errors that pass by say nothing about the slot', (t) => {
  const useless = (code: string): boolean => isUseless(Object.assign(new DatabaseError('', 0, 'error'), { code }));
  // Shut down, terminated, too many connections, no disk, password, slot in use.
  for (const code of ['57P01', '57P03', '57014', '53300', '53100', '28P01', '08006', '55006']) t.false(useless(code), code);
  // Its log is gone, it is invalidated, made for another plugin, without its publication.
  for (const code of ['58P01', '55000', '22023', '42704', 'XX000']) t.true(useless(code), code);
  t.false(isUseless(new Error('the connection ended')));
});
