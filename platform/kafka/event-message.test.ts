import test from 'ava';
import { fromWire, toWire } from './event-message.ts';
import { record } from './kafka.fixture.ts';
import { PoisonError } from './poison.ts';

const event = { ...record('member', 'taro', 7), payload: { name: '太郎' } };
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

function read(
  change: Record<string, string | undefined> = {},
  value: Buffer | null = Buffer.from(toWire(event, 'member', '').value ?? ''),
) {
  const { key, headers } = toWire(event, 'member', traceparent);
  return fromWire('member.events', 1, { offset: '17', key: Buffer.from(key), value, headers: { ...headers, ...change } });
}

test('an event is read as it was written', (t) => {
  t.deepEqual(read(), {
    topic: 'member.events',
    partition: 1,
    offset: '17',
    id: event.id,
    type: 'tested',
    source: '/musubi/member',
    time: event.time,
    subject: 'taro',
    version: 7,
    traceparent,
    data: { name: '太郎' },
  });
  t.is(read({ 'content-type': 'application/json; charset=utf-8', 'a-later-header': 'x' }).version, 7);
});

test('a tombstone is sent without a value, and read as nothing', (t) => {
  t.is(toWire({ ...event, payload: null }, 'member', '').value, null);
  t.is(read({}, null).data, null);
});

test('what breaks the contract is poison, each by itself', (t) => {
  const wrong: Record<string, (string | undefined)[]> = {
    'content-type': [undefined, 'text/plain'],
    ce_specversion: [undefined, '0.3'],
    ce_id: [undefined, ''],
    ce_type: [undefined, ''],
    ce_source: [undefined, ''],
    ce_time: [undefined, '', 'yesterday', '2026-01-02'],
    ce_subject: [undefined, ''],
    ce_aggregateversion: [undefined, '', '0', '-1', '1.5', 'one'],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      const error = t.throws(() => read({ [name]: value }), { instanceOf: PoisonError }, `${name}: ${value}`);
      t.true(error?.message.includes(name), 'and says which');
    }
  }
  t.throws(() => read({}, Buffer.from('null')), { instanceOf: PoisonError, message: /null/ });
  const error = t.throws(() => read({}, Buffer.from('{"email": "taro@example')), { instanceOf: PoisonError });
  t.notRegex(error?.message ?? '', /taro/, 'without what is in it');
});
