import test from 'ava';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import { TestClient } from './client.fixture.ts';
import { compareCursors } from './domain.ts';
import { openTestSockets, type TestInstance, type TestSockets } from './socket.fixture.ts';

let sockets: TestSockets;
let one: TestInstance;
let two: TestInstance;
test.before(async () => {
  sockets = await openTestSockets({ redis: process.env.MUSUBI_REDIS_URL });
  one = await sockets.instance();
  two = await sockets.instance();
});
test.after.always(() => sockets?.close());

let members = 0;
const member = (): string => `m${++members}`;
const connect = (me: string, at = one): Promise<TestClient> => TestClient.open(at.url, sockets.token(me));

test('each topic is resumed from a cursor of its own', async (t) => {
  const [owner, reader] = [member(), member()];
  sockets.readers.add(reader);
  const watched = sockets.job(owner, JobState.JOB_STATE_APPLIED);
  const topic = `job:${watched.jobId}`;
  const first = await connect(reader);
  await first.subscribe([topic]);
  const [own, later] = [sockets.job(reader), sockets.job(reader)];
  await sockets.deliver(own, watched, later);
  const cursors = (await first.count('job', 3)).map(({ cursor = '' }) => cursor);
  first.drop();
  const ended = { ...watched, state: JobState.JOB_STATE_COMPLETED, version: 4 };
  await sockets.deliver(ended);

  const resume = async (at: Record<string, string | undefined>): Promise<string[]> => {
    const client = await connect(reader, two);
    client.send({ type: 'subscribe', topics: [topic], cursors: at });
    const [subscribed] = await client.count('subscribed', 1);
    t.deepEqual(subscribed?.cursors, at);
    t.is(subscribed?.cursor, at['member:me']);
    const next = sockets.job(reader);
    await sockets.deliver(next);
    await client.until(() => client.jobIds.includes(next.jobId));
    client.drop();
    return client.of('job').flatMap(({ job }) => (job.id === next.jobId ? [] : [`${job.id} ${job.state}`]));
  };
  const [of, applied, completed] = [(id: string) => `${id} completed`, `${watched.jobId} applied`, `${watched.jobId} completed`];
  t.deepEqual(await resume({ 'member:me': cursors[0], [topic]: cursors[1] }), [of(later.jobId), completed]);
  const afterAll = (await sockets.entries(reader)).at(-2)?.cursor;
  t.deepEqual(await resume({ 'member:me': afterAll, [topic]: cursors[0] }).then((got) => got.slice(0, 2)), [applied, completed]);
});

test('a cursor that is ahead of the socket holds for its topic only', async (t) => {
  const [owner, reader] = [member(), member()];
  sockets.readers.add(reader);
  const watched = sockets.job(owner);
  const topic = `job:${watched.jobId}`;
  const patient = await sockets.instance({ limits: { settleMs: 60_000 } });
  const old = await connect(reader);
  const start = await old.subscribe([topic]);
  const client = await connect(reader, patient);
  const own = sockets.job(reader);
  await sockets.deliver(own, watched);
  await old.count('job', 2);
  // It has had what is its own, and not the other's.
  client.send({ type: 'subscribe', topics: [topic], cursors: { 'member:me': old.cursor, [topic]: start } });
  await client.count('job', 1);
  await sockets.deliver(sockets.job(reader));
  await client.count('job', 2);
  t.is(client.jobIds[0], watched.jobId);
  t.false(client.jobIds.includes(own.jobId));
  // Asked again, it tells of no place before the one that the client came with.
  t.true(compareCursors(await client.subscribe([]), old.cursor) >= 0);
});

test('subscriptions to jobs of others are resumed, too', async (t) => {
  const owner = member();
  const reader = member();
  sockets.readers.add(reader);
  const watched = sockets.job(owner);
  const topic = `job:${watched.jobId}`;
  const first = await connect(reader);
  const cursor = await first.subscribe([topic]);
  first.drop();
  await sockets.deliver(watched, sockets.job(owner), sockets.job(reader));
  const again = await connect(reader, two);
  await again.subscribe([topic], cursor);
  await again.count('job', 2);
  t.is(again.jobIds[0], watched.jobId);
});
