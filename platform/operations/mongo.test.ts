import test from 'ava';
import { MusubiError } from '../errors.ts';
import { openMongo } from '../mongo/database.ts';
import { servers, testProcess, uniqueName } from '../test-servers.fixture.ts';
import { newId } from '../validation/id.ts';
import { runStep } from './mongo.ts';

const YEAR_SECONDS = 365 * 86_400;

async function scratch() {
  const database = uniqueName('test_mongo_operations');
  const { log, lifecycle } = testProcess(database);
  const open = () => openMongo({ url: servers.mongodb(), database, log, lifecycle });
  const mongo = await open();
  const close = async (): Promise<void> => {
    await mongo.db.dropDatabase();
    await lifecycle.stop('tested');
  };
  return { mongo, open, close };
}

test('a record that collides and can not be read is a conflict to try again, no refusal that undoes a saga', async (t) => {
  const { mongo, close } = await scratch();
  t.teardown(close);
  // In place of a record that is written and not yet majority committed: one that collides and is not found by its ID.
  await mongo.db.collection('operations').createIndex({ step: 1 }, { unique: true });
  const run = () => runStep({ mongo }, 'put', { do: async () => ({ result: null }) }, { operationId: newId() });
  await run();
  const error = await t.throwsAsync<MusubiError>(run(), { instanceOf: MusubiError });
  t.like(error, { code: 'STORE_CONFLICT', retryable: true });
});

test('records are kept for a year, also in a database that kept them for a week', async (t) => {
  const { mongo, open, close } = await scratch();
  t.teardown(close);
  const kept = async () =>
    (await mongo.db.collection('operations').indexes()).find(({ key }) => key.at === 1)?.expireAfterSeconds;
  t.is(await kept(), YEAR_SECONDS);
  await mongo.db.command({ collMod: 'operations', index: { keyPattern: { at: 1 }, expireAfterSeconds: 7 * 86_400 } });
  await Promise.all([open(), open()]);
  t.is(await kept(), YEAR_SECONDS);
});
