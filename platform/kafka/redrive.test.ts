import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { redriveTopic } from './dead-letter.ts';
import { client, joined, member, publish, record, removeTopics } from './kafka.fixture.ts';
import { forgetParked, type Letter } from './redrive.ts';
import { type EventMessage, PoisonError } from './subscribe.ts';

/** `node main.ts redrive`, as an operator has it: what it prints. */
async function redrive(...args: string[]): Promise<Letter[]> {
  const { stdout } = await printed(...args);
  return stdout.split('\n').flatMap((line) => (line ? [JSON.parse(line) as Letter] : []));
}

function printed(...args: string[]): Promise<{ stdout: string; stderr: string }> {
  const main = new URL('../../main.ts', import.meta.url).pathname;
  return promisify(execFile)(process.execPath, [main, 'redrive', ...args], {
    env: { ...process.env, MUSUBI_KAFKA_BROKERS: servers.kafka().join(), MUSUBI_LOG_LEVEL: 'info' },
  });
}

/** A group that has parked the first events of some keys, which it can't read until `readable` holds them. */
async function parked(t: ExecutionContext, ...keys: string[]) {
  const type = uniqueName('test-redrive');
  const [topic, group] = [`${type}.events`, uniqueName('test-group')];
  const events = keys.map((key) => record(type, key, 1));
  await publish([...events, record(type, 'good', 1)]);
  const readable = new Set(['good']);
  const handled: EventMessage[] = [];
  const handle = async (given: EventMessage[]): Promise<void> => {
    for (const { subject } of given) if (!readable.has(subject)) throw new PoisonError(`Bad is ${subject}.`);
    handled.push(...given);
  };
  const start = async () => {
    const lifecycle = await member(topic, group, handle);
    t.teardown(() => lifecycle.stop('tested'));
    await joined(lifecycle);
    const letters = async () => Number.parseInt((await lifecycle.attention())[`dead letters of ${group}`] ?? '0', 10);
    return { lifecycle, letters };
  };
  t.teardown(() => removeTopics([topic], [group]));
  const { lifecycle, letters } = await start();
  await until(() => handled.some(({ subject }) => subject === 'good'), 'the one behind is handled');
  await until(async () => (await letters()) === keys.length, 'they are parked');
  return { topic, group, events, readable, handled, lifecycle, letters, start };
}

test('what is parked is told, at every start, until it is redriven; then its group has it once more, and nobody else', async (t) => {
  const { topic, group, events, readable, handled, lifecycle, letters, start } = await parked(t, 'a', 'b', 'c');
  await lifecycle.stop('to start anew');
  const again = await start();
  await until(async () => (await again.letters()) === 3, 'it is known at the start');
  t.regex((await again.lifecycle.attention())[`dead letters of ${group}`] ?? '', /node main\.ts redrive --list --group/);
  const others: EventMessage[] = [];
  const other = await member(topic, uniqueName('test-other'), async (given) => void others.push(...given));
  await until(() => others.length === 4, 'the other group has had them');

  const listed = await redrive('--list', '--group', group);
  t.deepEqual(
    listed.map(({ event, from, reason }) => ({ event, from, reason })),
    events.map(({ id, aggregateId }, at) => ({ event: id, from: `${topic}/0@${at}`, reason: `Bad is ${aggregateId}.` })),
  );
  t.is(await letters(), 3, 'to list them changes nothing');

  readable.add('a').add('b');
  t.deepEqual(await redrive('--group', group), listed);
  await until(() => handled.length === 3, 'they are handled');
  for (const [at, { id, aggregateId, version }] of events.slice(0, 2).entries()) {
    const event = handled.find((one) => one.id === id);
    t.like(event, { topic, partition: 0, subject: aggregateId, version, data: { version } }, `${at}`);
  }
  await until(async () => (await again.letters()) === 1, 'what is still bad is parked again');
  const [left] = await redrive('--list', '--group', group);
  t.like(left, { event: events[2]?.id, from: `${topic}/0@2`, reason: 'Bad is c.' });

  const admin = client().admin();
  await admin.connect();
  const [offsets] = await admin.fetchTopicOffsets(topic);
  await admin.disconnect();
  t.is(offsets?.high, '4', 'nothing was added to the topic that others read, and that is compacted');
  t.is(others.length, 4);
  await other.stop('tested');

  await redrive('--group', group);
  await until(async () => (await again.letters()) === 1, 'it is parked once more');
  readable.add('c');
  await redrive('--group', group);
  await until(() => handled.length === 4, 'the last is handled');
  await until(async () => (await again.letters()) === 0, 'nothing is parked');
  t.deepEqual(await again.lifecycle.attention(), {});
  t.deepEqual(await redrive('--group', group), [], 'and nothing is left to do');
  t.deepEqual(handled.map(({ subject }) => subject).sort(), ['a', 'b', 'c', 'good'], 'each once');
});

test('one of them can be redriven, or given up; the others stay', async (t) => {
  const { group, events, readable, handled, letters } = await parked(t, 'a', 'b', 'c');
  readable.add('b').add('a').add('c');
  await redrive('--group', group, '--event', events[1]?.id ?? '');
  await until(() => handled.some(({ subject }) => subject === 'b'), 'it is handled');
  await until(async () => (await letters()) === 2, 'the others stay');
  const left = await redrive('--list', '--group', group);
  const told = left.map(({ event, reason }) => `${event} ${reason}`);
  t.deepEqual(told.sort(), [`${events[0]?.id} Bad is a.`, `${events[2]?.id} Bad is c.`].sort());
  await redrive('--group', group, '--discard', '--event', left.find(({ event }) => event === events[2]?.id)?.number ?? '');
  await redrive('--group', group);
  await until(async () => (await letters()) === 0, 'nothing is parked');
  await until(() => handled.some(({ subject }) => subject === 'a'), 'the first is handled');
  t.deepEqual(handled.map(({ subject }) => subject).sort(), ['a', 'b', 'good'], 'each once, and what was given up not at all');
});

test('what is redriven while no process of the group runs is handled when one does', async (t) => {
  const { group, events, readable, handled, lifecycle, start } = await parked(t, 'a');
  await lifecycle.stop('to be away');
  readable.add('a');
  t.is((await redrive('--group', group)).length, 1);
  const again = await start();
  await until(() => handled.some(({ id }) => id === events[0]?.id), 'it is handled');
  t.deepEqual(await again.lifecycle.attention(), {});
});

test('what to do is said in full, or not done', async (t) => {
  const refused = (...args: string[]) => t.throwsAsync<Error & { stderr: string }>(redrive(...args));
  t.regex((await refused())?.message ?? '', /MUSUBI_REDRIVE_GROUP: is missing/);
  t.regex((await refused('--group', 'x', '--discard'))?.message ?? '', /MUSUBI_REDRIVE_EVENT: is missing/);
  for (const both of [
    ['--list', '--discard'],
    ['--list', '--event', 'x'],
  ])
    t.regex((await refused(...both))?.stderr ?? '', /^--list .*\n\nusage: /);
});

test('what is not there is said in a line, with what is, and that nothing is parked', async (t) => {
  const { group, events, readable, letters } = await parked(t, 'a');
  const plain = (stderr: string): string[] => stderr.split('\n').filter((line) => line && !line.startsWith('{'));
  const refused = async (...args: string[]) => {
    const error = await t.throwsAsync<Error & { code: number; stdout: string; stderr: string }>(printed(...args));
    t.like(error, { code: 2, stdout: '' });
    return plain(error?.stderr ?? '').join('\n');
  };
  t.regex(
    await refused('--group', 'nope'),
    new RegExp(`^redrive: there is no group nope that parks messages; there are .*${group}`),
  );
  t.is(
    await refused('--group', group, '--event', 'nope'),
    `redrive: ${group} has parked no message nope; what it has, --list --group ${group} shows`,
  );
  t.deepEqual(plain((await printed('--list', '--group', group)).stderr), []);
  readable.add('a');
  t.is((await redrive('--group', group))[0]?.event, events[0]?.id);
  await until(async () => (await letters()) === 0, 'nothing is parked');
  const nothing = await printed('--list', '--group', group);
  t.deepEqual([nothing.stdout, plain(nothing.stderr)], ['', [`redrive: nothing is parked by ${group}`]]);
});

test('what was parked of some keys is forgotten, with all that was given once more and handled; the rest stays parked', async (t) => {
  const { group, readable, letters } = await parked(t, 'a', 'b', 'c', 'b');
  readable.add('c');
  await redrive('--group', group, '--event', (await redrive('--list', '--group', group))[2]?.event ?? '');
  await until(async () => (await letters()) === 3, 'one is handled');
  const again = async (): Promise<number> => {
    const admin = client().admin();
    await admin.connect();
    const [{ low, high } = { low: '0', high: '0' }] = await admin.fetchTopicOffsets(redriveTopic(group));
    await admin.disconnect();
    return Number(high) - Number(low);
  };
  t.is(await again(), 1);
  const { log } = testProcess('test-forget');
  const options = { brokers: servers.kafka(), clientId: 'test', log };
  const forget = (...keys: string[]) => forgetParked(options, group, keys);
  await until(async () => {
    t.deepEqual(await forget('c'), []);
    return (await again()) === 0;
  }, 'what was handled is forgotten');
  t.deepEqual(await forget('b', 'nobody'), ['b', 'b']);
  t.deepEqual(
    (await redrive('--list', '--group', group)).map(({ key }) => key),
    ['a'],
  );
  t.deepEqual(await forget('b'), []);
  t.deepEqual(await forgetParked(options, 'no-group-', ['a']), []);
});
