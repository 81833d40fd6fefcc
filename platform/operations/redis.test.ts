import test from 'ava';
import { OperationState } from '#proto/musubi/operation/v1/operation.ts';
import { type OwnServer, ownServer } from '../../test/own-server.ts';
import { Secret } from '../process/config.ts';
import { connectRedis, type Redis } from '../redis/client.ts';
import { DurableWrites } from '../redis/durable-writes.ts';
import { openPartitionedRedis, PartitionedRedis } from '../redis/partitioned.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { newId } from '../validation/id.ts';
import { eraseUndos, getOperation, operationsWithin, pruneOperations, runStep, type Step, undoOperation } from './redis.ts';

// On a server of its own, whose disk is away now and then. What all stores do: operations.test.ts

let server: OwnServer;
let redis: PartitionedRedis;
let other: Redis;
const { log, lifecycle } = testProcess('test-operations-redis');

const step: Step<{ operationId: string; id: string }, { id: string }, { id: string }> = {
  async do(tx, { id }) {
    tx.write('SET', `thing:${id}`, 'made');
    return { result: { id }, kept: { id } };
  },
  async undo(tx, { id }) {
    tx.write('DEL', `thing:${id}`);
  },
};
const run = (id: string) => runStep(redis, redis.of(id), 'make', step, { operationId: `${id}/make`, id });

test.before(async () => {
  server = await ownServer('redis');
  const url = new Secret(server.addresses.MUSUBI_REDIS_URL ?? '');
  other = connectRedis(url, log);
  redis = await openPartitionedRedis({ service: 'test', url, log, lifecycle });
});
test.after.always(async () => {
  other.disconnect();
  await lifecycle.stop('tested');
  await server.stop();
});

test.serial('a repeat of what is not on disk is not answered, either', async (t) => {
  const id = newId();
  await other.config('SET', 'appendfsync', 'no');
  try {
    await t.throwsAsync(run(id), { code: 'STORE_UNAVAILABLE' });
    await t.throwsAsync(run(id), { code: 'STORE_UNAVAILABLE' });
    await t.throwsAsync(getOperation(redis, `${id}/make`), { code: 'STORE_UNAVAILABLE' });
  } finally {
    await other.config('SET', 'appendfsync', 'always');
  }
  t.deepEqual(await run(id), { id });
});

test.serial('an undo that could leave some of its tombstones only leaves the others when it comes again', async (t) => {
  const id = newId();
  // A node is away: of the partitions one is there.
  const [one] = redis.partitions.filter(({ number }) => number !== redis.of(id).number);
  if (!one) throw new Error('none');
  await undoOperation(new PartitionedRedis([one], other, new DurableWrites(other)), `${id}/make`, { make: step });
  await undoOperation(redis, `${id}/make`, { make: step });
  await t.throwsAsync(run(id), { code: 'OPERATION_UNDONE' });
});

test.serial('where a tombstone was left and the step came all the same, it is the step that is undone', async (t) => {
  const id = newId();
  const [one] = redis.partitions.filter(({ number }) => number !== redis.of(id).number);
  if (!one) throw new Error('none');
  await undoOperation(new PartitionedRedis([one], other, new DurableWrites(other)), `${id}/make`, { make: step });
  t.deepEqual(await run(id), { id });
  t.is((await getOperation(redis, `${id}/make`)).state, 'OPERATION_STATE_DONE' as never);
  await undoOperation(redis, `${id}/make`, { make: step });
  t.is(await other.get(redis.of(id).key(`thing:${id}`)), null);
  await t.throwsAsync(run(id), { code: 'OPERATION_UNDONE' });
});

test.serial('what a job has done in several partitions is listed in one order, by bytes, page by page', async (t) => {
  const job = newId();
  for (const [at, name] of ['c', 'a', 'B', 'b'].entries()) {
    const partition = redis.partitions[at] ?? redis.of(job);
    await runStep(redis, partition, 'make', step, { operationId: `${job}/${name}`, id: newId() });
  }
  const page = async (after: string, pageSize: number) =>
    (await operationsWithin(redis, { within: job, after, pageSize })).operations.map(({ operationId }) => operationId);
  const all = ['B', 'a', 'b', 'c'].map((name) => `${job}/${name}`);
  t.deepEqual(await page('', 1_000), all);
  t.deepEqual(await page('', 2), all.slice(0, 2));
  t.deepEqual(await page(`${job}/a`, 2), all.slice(2));
});

test.serial('of what was done more than a year ago nothing is left, nor is it listed', async (t) => {
  const id = newId();
  await run(id);
  for (const list of ['operations:at', 'operations:undo']) await other.zadd(redis.of(id).key(list), 1, `${id}/make`);
  await pruneOperations(redis);
  t.deepEqual((await operationsWithin(redis, { within: id, after: '', pageSize: 10 })).operations, []);
  t.deepEqual((await other.keys(`*${id}*`)).sort(), [redis.of(id).key(`thing:${id}`)]);
});

test.serial('what is undone while old records are looked for is as new', async (t) => {
  const id = newId();
  await run(id);
  await other.zadd(redis.of(id).key('operations:at'), 1, `${id}/make`);
  let found = false;
  /** Undoes it between that it is found, and that it is forgotten. */
  class Overtaken extends PartitionedRedis {
    override async ask<T>(...given: Parameters<typeof redis.ask<T>>): Promise<T> {
      const answer = await super.ask<T>(...given);
      if (!found && Array.isArray(answer) && answer.includes(`${id}/make`)) {
        found = true;
        await undoOperation(redis, `${id}/make`, { make: step });
      }
      return answer;
    }
  }
  await pruneOperations(new Overtaken(redis.partitions, other, new DurableWrites(other)));
  t.true(found);
  await t.throwsAsync(run(id), { code: 'OPERATION_UNDONE' });
});

test.serial('what has no undo is not undone, and stays as it was done', async (t) => {
  const id = newId();
  await run(id);
  const without: Parameters<typeof undoOperation>[2][] = [{ make: { undo: 'impossible' } }, {}];
  for (const steps of without) await t.throwsAsync(undoOperation(redis, `${id}/make`, steps), { code: 'UNDO_IMPOSSIBLE' });
  t.is((await getOperation(redis, `${id}/make`)).state, OperationState.OPERATION_STATE_DONE);
  t.deepEqual(await run(id), { id });
});

test.serial('of who is erased the record has not even the ID', async (t) => {
  const [id, memberId] = [newId(), newId()];
  const of: typeof step = { ...step, do: async (tx, request) => ({ ...(await step.do(tx, request)), keptOf: memberId }) };
  await runStep(redis, redis.of(id), 'make', of, { operationId: `${id}/make`, id });
  const record = async () => JSON.stringify(await other.hgetall(redis.of(id).key(`operation:${id}/make`)));
  t.true((await record()).includes(memberId));
  await eraseUndos(redis, [memberId]);
  t.false((await record()).includes(memberId));
});
