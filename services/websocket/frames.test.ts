import test from 'ava';
import { unavailable } from '#platform/errors.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { TestClient } from './client.fixture.ts';
import { parseClientFrame } from './frames.ts';
import { atOnce } from './peers.fixture.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  const limits = { socketsPerMember: 3, framesPerSecond: 20, topicsPerSocket: 3 };
  one = await sockets.instance({ limits });
  two = await sockets.instance({ limits });
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));

test('a bad frame is answered with what is wrong, and the socket stays', async (t) => {
  const client = await connect(member());
  const bad: [unknown, string, RegExp][] = [
    ['{', 'BAD_FRAME', /not JSON/],
    ['[]', 'BAD_FRAME', /not a JSON object/],
    ['"x"', 'BAD_FRAME', /not a JSON object/],
    ['null', 'BAD_FRAME', /object/],
    [{ type: 'toString' }, 'FRAME_UNKNOWN', /auth, subscribe/],
    [{ type: 'subscribe' }, 'BAD_FRAME', /^The frame is not valid: topics is missing\.$/],
    [
      { type: 'subscribe', topics: ['member:me'], curser: '1-0' },
      'BAD_FRAME',
      /: curser is not known here; known are type, topics, cursors, cursor, ref\.$/,
    ],
    [{ type: 'subscribe', topics: ['member:me'], cursor: 'x' }, 'BAD_FRAME', /: cursor must be a cursor of this server\.$/],
    [{ type: 'subscribe', topics: ['member:me'], cursors: { 'member:me': 'x' } }, 'BAD_FRAME', /cursors.member:me/],
    [{ type: 'subscribe', topics: [], cursors: { 'job:1': '1-0' } }, 'BAD_FRAME', /: cursors\.job:1 must be among the topics\.$/],
    [
      { type: 'subscribe', topics: [], cursors: { 'member:me': '1-0' }, cursor: '2-0' },
      'BAD_FRAME',
      /: cursor must be the one of member:me in cursors\.$/,
    ],
    ['{"type":"ping","ref":"a","ref":"b"}', 'BAD_FRAME', /: ref must be given once\.$/],
    [
      '{"type":"subscribe","topics":[],"cursors":{"member:me":"1-0","member:me":"2-0"}}',
      'BAD_FRAME',
      /member:me must be given once/,
    ],
    [{ type: 'typing', roomId: 'r1' }, 'FRAME_UNKNOWN', /type/],
  ];
  for (const [i, [frame, code, message]] of bad.entries()) {
    client.send(frame);
    const error = (await client.count('error', i + 1))[i];
    t.is(error?.code as string | undefined, code);
    t.regex(error?.message ?? '', message);
  }
  client.send({ type: 'ping' });
  t.is((await client.count('pong', 1)).length, 1);
});

test('what a frame may hold is bounded before it is looked at, and what is wrong with it is told in a few words', (t) => {
  const wrong = (frame: object): string => {
    const parsed = parseClientFrame(JSON.stringify(frame));
    return 'bad' in parsed ? parsed.bad.message : '';
  };
  const names = Array.from({ length: 6_300 }, (_, i) => `job:${i}`);
  const cursors = (count: number, cursor: unknown) => Object.fromEntries(names.slice(0, count).map((name) => [name, cursor]));
  const most = 'The frame has more than 256 values.';
  t.is(wrong({ type: 'subscribe', topics: [], cursors: cursors(6_300, 1) }), most);
  t.is(wrong({ type: 'subscribe', topics: names }), most);
  t.is(wrong({ type: 'ping', ...cursors(6_300, 1) }), most);
  t.is(wrong({ type: 'ping', ref: names.map(() => []) }), most);
  t.regex(wrong({ type: 'subscribe', topics: [], cursors: cursors(102, '1-0') }), /: cursors must have at most 101 fields; /);
  for (const frame of [
    { type: 'subscribe', topics: [], cursors: cursors(100, 1) },
    { type: 'subscribe', topics: [], cursors: cursors(100, '1-0') },
    { type: 'subscribe', topics: Array.from({ length: 100 }, () => '') },
    { type: 'ping', ...cursors(100, 1) },
  ])
    t.is(
      wrong(frame)
        .split('; ')
        .filter((part) => !part.startsWith('known are')).length,
      5,
      wrong(frame),
    );
  const topics = names.slice(0, 100).map((name) => name.padEnd(200, 'x'));
  const all = Object.fromEntries(['member:me', ...topics].map((topic) => [topic, `${'9'.repeat(15)}-${'9'.repeat(15)}`]));
  const largest = { type: 'subscribe', topics, cursors: all, cursor: all['member:me'], ref: 'x'.repeat(64) };
  t.is(wrong(largest), '');
});

test('binary frames, large frames and floods close the socket', async (t) => {
  const binary = await connect(member());
  binary.ws.send(Buffer.from('{}'));
  t.is(await binary.closeCode(), 1003);
  const large = await connect(member());
  large.send(`{"type":"ping","x":"${'x'.repeat(65_536)}"}`);
  t.is(await large.closeCode(), 1009);
  const flood = await connect(member());
  for (let i = 0; i < 60; i++) flood.send({ type: 'ping' });
  t.is(await flood.closeCode(), 4429);
});

test('a member has so many sockets, over all instances; a closed one makes room', async (t) => {
  const me = member();
  const open = [await connect(me, one), await connect(me, two), await connect(me, one)];
  t.is(await new TestClient(two.url, { token: sockets.token(me) }).closeCode(), 4429);
  await connect(member(), two);
  open[0]?.drop();
  await open[0]?.until(async () => (await sockets.registered(me)) === 2);
  const again = await connect(me, two);
  again.send({ type: 'ping' });
  await again.count('pong', 1);
  t.is(again.closed, undefined);
});

test('topics that are unknown, not there, not allowed or too many are refused one by one', async (t) => {
  const me = member();
  const client = await connect(me);
  const other = sockets.job(member());
  const mine = sockets.job(me);
  client.send({
    type: 'subscribe',
    topics: ['channel:1', 'job:nowhere', `job:${other.jobId}`, `job:${mine.jobId}`, 'member:me'],
  });
  const [subscribed] = await client.count('subscribed', 1);
  t.deepEqual(subscribed?.topics, [`job:${mine.jobId}`, 'member:me']);
  t.deepEqual(
    client.of('error').map(({ topic, code }) => [topic, code]),
    [
      ['channel:1', 'TOPIC_UNKNOWN'],
      ['job:nowhere', 'JOB_NOT_FOUND'],
      [`job:${other.jobId}`, 'JOB_NOT_FOUND'],
    ],
  );
  const more = [sockets.job(me), sockets.job(me), sockets.job(me)].map(({ jobId }) => `job:${jobId}`);
  client.send({ type: 'subscribe', topics: more });
  const [, second] = await client.count('subscribed', 2);
  t.deepEqual(second?.topics, more.slice(0, 2));
  t.like(client.of('error').at(-1), { topic: more[2], code: 'TOO_MANY_TOPICS' });
});

test('the ID of a topic is read in either case, and its frames come', async (t) => {
  const owner = member();
  const reader = member();
  sockets.readers.add(reader);
  const job = sockets.job(owner, JobState.JOB_STATE_APPLIED);
  const client = await connect(reader);
  const topic = `job:${job.jobId.toUpperCase()}`;
  client.send({ type: 'subscribe', topics: [topic], cursors: { [topic]: '1-0' } });
  const [subscribed] = await client.count('subscribed', 1);
  t.deepEqual(subscribed?.topics, [`job:${job.jobId}`]);
  await sockets.deliver(job);
  await client.count('job', 1);
  t.deepEqual(client.jobIds, [job.jobId]);
});

test('a failed job says why, and nothing that is for our own processes', async (t) => {
  const me = member();
  const client = await connect(me);
  await client.subscribe([]);
  await sockets.deliver(sockets.job(me, JobState.JOB_STATE_FAILED));
  const [frame] = await client.count('job', 1);
  t.deepEqual(frame?.job?.error, { code: 'LOGIN_TAKEN', message: 'Taken.', errors: [] });
});

test('who may read a job of another gets its frames where it subscribed, until it may no longer', async (t) => {
  const owner = member();
  const reader = member();
  sockets.readers.add(reader);
  const [watched, other] = [sockets.job(owner, JobState.JOB_STATE_APPLIED), sockets.job(owner)];
  const owners = await connect(owner);
  const subscribed = await connect(reader);
  const idle = await connect(reader, two);
  await subscribed.subscribe([`job:${watched.jobId}`]);
  await idle.subscribe([]);
  await sockets.deliver(watched, other);
  await owners.count('job', 2);
  await subscribed.count('job', 1);

  sockets.readers.delete(reader);
  await sockets.deliver({ ...watched, state: JobState.JOB_STATE_COMPLETED, version: 4 });
  const [end] = await subscribed.count('unsubscribed', 1);
  t.like(end, { topics: [`job:${watched.jobId}`], code: 'PERMISSION_REVOKED' });
  await owners.count('job', 3);
  t.deepEqual(subscribed.jobIds, [watched.jobId]);
  t.deepEqual(idle.jobIds, []);
});

test('an unsubscribe is answered, and after that nothing of it comes; own events still do', async (t) => {
  const owner = member();
  const reader = member();
  sockets.readers.add(reader);
  const watched = sockets.job(owner);
  const topic = `job:${watched.jobId}`;
  const client = await connect(reader);
  await client.subscribe([topic]);
  client.send({ type: 'unsubscribe', topics: [topic, 'member:me', topic, 'job:never'] });
  const [answer] = await client.count('unsubscribed', 1);
  t.deepEqual(answer, { type: 'unsubscribed', topics: [topic, 'job:never'] });
  const own = sockets.job(reader);
  await sockets.deliver(watched, own);
  await client.count('job', 1);
  t.deepEqual(client.jobIds, [own.jobId]);
});

test.serial('an event that is looked at while its topic is unsubscribed from does not come any more', async (t) => {
  const [owner, reader] = [member(), member()];
  sockets.readers.add(reader);
  const watched = sockets.job(owner);
  const client = await connect(reader);
  await client.subscribe([`job:${watched.jobId}`]);
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>();
  sockets.before.authorize = () => {
    ask();
    return answered;
  };
  await sockets.deliver(watched);
  await asked;
  client.send({ type: 'unsubscribe', topics: [`job:${watched.jobId}`] });
  await client.count('unsubscribed', 1);
  sockets.before.authorize = async () => undefined;
  answer();
  const own = sockets.job(reader);
  await sockets.deliver(own);
  await client.count('job', 1);
  t.deepEqual(client.jobIds, [own.jobId]);
});

test.serial('an event that cannot be looked at now is tried again, though nothing wakes its socket', async (t) => {
  const [owner, reader] = [member(), member()];
  sockets.readers.add(reader);
  const watched = sockets.job(owner);
  const client = await connect(reader);
  await client.subscribe([`job:${watched.jobId}`]);
  let asked = 0;
  sockets.before.authorize = async () => {
    if (++asked < 3) throw unavailable('STORE_UNAVAILABLE', 'the store is away');
  };
  await sockets.deliver(watched);
  await client.count('job', 1);
  t.is(asked, 3);
  t.deepEqual(client.of('error'), []);
  sockets.before = atOnce();
});

test.serial('every answer carries the ref of its frame, and none where there was none', async (t) => {
  const me = member();
  const client = await connect(me, await sockets.instance({ limits: { framesPerSecond: 1_000 } }));
  const ask = async (frame: object): Promise<unknown[]> => {
    const before = client.frames.length;
    client.send(frame);
    client.send({ type: 'ping', ref: 'end' });
    await client.until(() => client.of('pong').some(({ ref }) => ref === 'end'));
    const answers = client.frames.splice(before).slice(0, -1);
    return answers.map((answer) => ({ type: answer.type, ref: 'ref' in answer ? answer.ref : undefined }));
  };
  const topics = ['channel:1', 'job:nowhere'];
  for (const ref of ['r', 'x'.repeat(64), undefined]) {
    t.deepEqual(await ask({ type: 'ping', ref }), [{ type: 'pong', ref }]);
    t.deepEqual(await ask({ type: 'subscribe', topics, ref }), [
      { type: 'error', ref },
      { type: 'error', ref },
      { type: 'subscribed', ref },
    ]);
    t.deepEqual(await ask({ type: 'unsubscribe', topics, ref }), [{ type: 'unsubscribed', ref }]);
    t.deepEqual(await ask({ type: 'subscribe', ref }), [{ type: 'error', ref }], 'a bad one');
    t.deepEqual(await ask({ type: 'nonsense', ref }), [{ type: 'error', ref }], 'an unknown one');
    sockets.authIsAway = true;
    t.deepEqual(
      await ask({ type: 'auth', token: sockets.token(me), ref }),
      [{ type: 'error', ref }],
      'one that cannot be done now',
    );
    sockets.authIsAway = false;
    t.deepEqual(await ask({ type: 'auth', token: sockets.token(me), ref }), [], 'one that needs no answer');
  }
  for (const ref of ['', 'x'.repeat(65), 1, null, {}]) {
    t.deepEqual(await ask({ type: 'ping', ref }), [{ type: 'error', ref: undefined }], JSON.stringify(ref));
  }
});

test('every frame of an event names its topic', async (t) => {
  const [owner, reader] = [member(), member()];
  sockets.readers.add(reader);
  const [own, watched] = [sockets.job(reader), sockets.job(owner)];
  const client = await connect(reader);
  await client.subscribe([`job:${watched.jobId}`, `job:${own.jobId}`]);
  await sockets.deliver(own, watched);
  t.deepEqual(
    (await client.count('job', 2)).map(({ topic, job }) => [topic, job.id]),
    [
      ['member:me', own.jobId],
      [`job:${watched.jobId}`, watched.jobId],
    ],
  );
});
