import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { type ReplicaSet, replicaSet } from '../../test/replica-set.ts';
import { alreadyExists } from '../errors.ts';
import { type Mongo, openMongo } from '../mongo/database.ts';
import { Secret } from '../process/config.ts';
import { testProcess } from '../test-servers.fixture.ts';
import { until } from '../until.fixture.ts';
import { newId } from '../validation/id.ts';
import { runStep, type Step } from './mongo.ts';

// What the primary has committed and the majority has not: on a replica set whose secondary stands still.

let set: ReplicaSet;
let mongo: Mongo;
const { log, lifecycle } = testProcess('test-majority');
test.before(async () => {
  set = await replicaSet();
  mongo = await openMongo({ url: new Secret(set.url), database: 'test_majority', log, lifecycle });
  await mongo.db.createCollection('names');
});
test.after.always(async () => {
  set?.goOn();
  await lifecycle.stop('tested');
  await set?.stop();
});

/** Takes a name, and refuses it to who comes later, as a login is. */
const take: Pick<Step<{ mongo: Mongo }, { operationId: string; name: string }, { name: string }, null>, 'do'> = {
  async do({ session }, { name }) {
    const names = mongo.db.collection<{ _id: string }>('names');
    if (await names.findOne({ _id: name }, { session })) throw alreadyExists('LOGIN_TAKEN', 'somebody has it');
    await names.insertOne({ _id: name }, { session });
    return { result: { name } };
  },
};

test.serial('while the majority has not what a step did, its repeat comes again, and then answers the same', async (t) => {
  const request = { operationId: newId(), name: 'taro' };
  const run = () => runStep({ mongo }, 'take', take, request);
  set.stall();
  const begun = performance.now();
  const first = run();
  first.catch(() => undefined);
  const names = mongo.db.collection<{ _id: string }>('names', { readConcern: { level: 'local' } });
  await until(() => names.findOne({ _id: 'taro' }));
  t.like(await t.throwsAsync(run()), { code: 'STORE_CONFLICT', retryable: true }, 'it met its own first try');
  t.like(await t.throwsAsync(first), { code: 'STORE_UNAVAILABLE' }, 'whether it is done is not known');
  t.true(performance.now() - begun < 10_000, 'and not for the two minutes that the driver would try');
  set.goOn();
  for (;;) {
    const answer = await run().catch((error: { retryable?: boolean }) => t.true(error.retryable));
    if (answer !== true) {
      t.deepEqual(answer, { name: 'taro' });
      break;
    }
    await sleep(100);
  }
  const other = { operationId: newId(), name: 'taro' };
  await t.throwsAsync(runStep({ mongo }, 'take', take, other), { code: 'LOGIN_TAKEN' });
});
