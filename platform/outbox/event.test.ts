import test from 'ava';
import { MusubiError } from '../errors.ts';
import { parseStored, payloadText, type StoredEvent } from './event.ts';

const row: StoredEvent = {
  key: '1-1',
  id: 'id',
  aggregatetype: 'member',
  aggregateid: 'a',
  version: '3',
  type: 'member.created',
  payload: { name: '花子' },
  traceparent: '00-1',
  time: '2026-11-25T20:00:00.000Z',
};

test('an event is read from its columns, its payload as it is or as text', (t) => {
  const event = {
    id: 'id',
    aggregateType: 'member',
    aggregateId: 'a',
    version: 3,
    type: 'member.created',
    payload: { name: '花子' },
    traceparent: '00-1',
    time: new Date('2026-11-25T20:00:00.000Z'),
  };
  t.deepEqual(parseStored(row), event);
  t.deepEqual(parseStored({ ...row, payload: undefined, json: '{"name": "花子"}' }), event);
  t.is(parseStored({ ...row, payload: null }).payload, null);
  t.is(parseStored({ ...row, traceparent: undefined }).traceparent, '');
});

test('what is none is named by its fields, never by their content', (t) => {
  const bad: [string, Partial<StoredEvent>][] = [
    ['id', { id: 7 }],
    ['aggregatetype', { aggregatetype: 'a/b' }],
    ['aggregatetype', { aggregatetype: '' }],
    ['aggregatetype', { aggregatetype: 'x'.repeat(201) }],
    ['aggregateid', { aggregateid: '' }],
    ['aggregateid', { aggregateid: null }],
    ['version', { version: 'secret' }],
    ['version', { version: 0 }],
    ['version', { version: 1.5 }],
    ['version', { version: undefined }],
    ['type', { type: '' }],
    ['time', { time: 'secret' }],
    ['time', { time: new Date(Number.NaN) }],
    ['payload', { payload: undefined }],
    ['payload', { json: '{"secret' }],
    ['payload', { json: '' }],
  ];
  for (const [field, change] of bad) {
    const error = t.throws(() => parseStored({ ...row, ...change }), undefined, JSON.stringify(change));
    t.regex(error?.message ?? '', new RegExp(`^it is not an event: ${field}: `), JSON.stringify(change));
    t.notRegex(error?.message ?? '', /secret/);
  }
});

test('a payload that no broker takes is refused before it is committed', (t) => {
  const event = { aggregateType: 'member', aggregateId: 'a', version: 1, type: 'member.created' };
  t.is(payloadText({ ...event, payload: { a: 1 } }), '{"a":1}');
  t.is(payloadText({ ...event, payload: undefined }), 'null');
  t.is(payloadText({ ...event, payload: 'x'.repeat(899_998) }).length, 900_000);
  for (const payload of ['x'.repeat(899_999), '結'.repeat(300_000)]) {
    t.throws(() => payloadText({ ...event, payload }), { instanceOf: MusubiError, code: 'EVENT_TOO_LARGE' });
  }
});
