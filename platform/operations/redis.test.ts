import test from 'ava';
import { type OwnServer, ownServer } from '../../test/own-server.ts';
import { Secret } from '../process/config.ts';
import { connectRedis, type Redis } from '../redis/client.ts';
import { DurableWrites } from '../redis/durable-writes.ts';
import { openPartitionedRedis, PartitionedRedis } from '../redis/partitioned.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { newId } from '../validation/id.ts';
import { getOperation, runStep, type Step, undoOperation } from './redis.ts';

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
