import test from 'ava';
import { Secret } from '../process/config.ts';
import { parseRedisUrl } from './address.ts';

const parse = (url: string) => parseRedisUrl(new Secret(url));

test('one server, and its defaults', (t) => {
  t.deepEqual(parse('redis://host'), { isCluster: false, nodes: [{ host: 'host', port: 6379 }], tls: false });
  t.deepEqual(parse('rediss://user:p%40ss@host:1/0'), {
    isCluster: false,
    nodes: [{ host: 'host', port: 1 }],
    username: 'user',
    password: 'p@ss',
    tls: true,
  });
  t.deepEqual(parse('redis://:secret@host').password, 'secret');
});

test('nodes of a cluster, by name and number', (t) => {
  t.deepEqual(parse('redis+cluster://user:secret@a:7001,b,[::1]:7003'), {
    isCluster: true,
    nodes: [
      { host: 'a', port: 7001 },
      { host: 'b', port: 6379 },
      { host: '::1', port: 7003 },
    ],
    username: 'user',
    password: 'secret',
    tls: false,
  });
  t.true(parse('rediss+cluster://a').tls);
});
