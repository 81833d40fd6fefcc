import test from 'ava';
import { clusterId } from './kafka.ts';

test('no cluster ID looks like an option of the tool that it is given to', (t) => {
  for (let i = 0; i < 10_000; i++) {
    const id = clusterId();
    t.regex(id, /^[A-Za-z0-9_]{22}$/);
    t.is(Buffer.from(id, 'base64url').length, 16);
  }
});
