import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { permissionDenied } from '#platform/errors.ts';
import { transaction } from '#platform/operations/mongo.ts';
import { openTestAuth } from '../auth.fixture.ts';
import { keepAudit } from './keep.ts';

test('what was counted until the process stops is kept, and what is older than is kept is not', async (t) => {
  const DAY_MS = 24 * 3_600_000;
  let now = Date.now() - 10 * DAY_MS;
  const own = await openTestAuth(process.env.MUSUBI_MONGODB_URL, { now: () => now });
  // Its own connection ends with it.
  const other = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  t.teardown(() => other.close());
  const db = other.store.mongo.client.db(own.store.mongo.db.databaseName);
  t.teardown(() => db.dropDatabase());
  for (const _ of [1, 2]) {
    await transaction(own.store.mongo, (session) => own.audit.note(session, { action: 'member.update', resources: [] }));
    await own.audit.chain.chain();
    now += 4 * DAY_MS;
  }
  keepAudit(own.audit, own, { forDays: 5, clock: own.store.clock });
  const isCut = async () => (await db.collection('audit_events').countDocuments()) === 1;
  for (let look = 0; look < 300 && !(await isCut()); look++) await delay(100);
  t.true(await isCut(), 'that of eight days ago is gone');
  own.audit.refused(permissionDenied('PERMISSION_DENIED'), { action: 'member.read' });
  await own.lifecycle.stop('done');
  t.is(await db.collection('audit_counts').countDocuments(), 1);
});
