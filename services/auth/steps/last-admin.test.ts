import { randomUUID } from 'node:crypto';
import test from 'ava';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';

/** Somebody who can log in is always an administrator. */

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  await auth.role('admin', ['permit (principal, action, resource);']);
});
test.beforeEach(async () => void (await auth.store.members.deleteMany({})));
test.after.always(() => auth?.close());

const admin = () => auth.member({ roleIds: ['admin'] });
const suspend = (memberId: string, operationId: string = randomUUID()) => auth.steps.suspendLogin({ operationId, memberId });
const open = () => auth.store.members.countDocuments({ status: 'active', roleIds: 'admin' });

test.serial('the login of the last administrator who can log in is not closed, and nothing is left of the try', async (t) => {
  const [one, other] = [await admin(), await admin()];
  const member = await auth.member();
  await suspend(other);
  const outbox = auth.store.mongo.db.collection('outbox');
  const before = await outbox.countDocuments();
  await t.throwsAsync(suspend(one, 'job/suspendLogin'), { code: 'LAST_ADMIN' });
  t.like(await auth.store.members.findOne({ _id: one }), { status: 'active', version: 2 });
  t.is(await outbox.countDocuments(), before);
  await t.notThrowsAsync(suspend(member), 'others may go');
  await t.notThrowsAsync(suspend(other), 'who is closed already is none of them');
  await auth.steps.reinstateLogin({ operationId: randomUUID(), memberId: other });
  await t.notThrowsAsync(suspend(one, 'job/suspendLogin'), 'once there is another, the same step may be tried again');
});

test.serial('of all administrators whose logins are closed at the same time one stays open', async (t) => {
  for (let round = 0; round < 10; round++) {
    const members = [await admin(), await admin(), await admin()];
    const outcomes = await Promise.allSettled(members.map((memberId) => suspend(memberId)));
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    t.deepEqual(
      refused.map(({ reason }) => reason.code),
      ['LAST_ADMIN'],
    );
    t.is(await open(), 1);
    await auth.store.members.deleteMany({});
  }
});
