import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { transaction } from '#platform/operations/mongo.ts';
import { requirePermit } from './access.ts';
import { loginOf, openTestAuth, type TestAuth } from './auth.fixture.ts';
import { authHandlers } from './grpc.ts';
import { logIn } from './rpcs/log-in.ts';
import { logOut } from './rpcs/log-out.ts';
import { authSteps } from './saga-steps.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
});
test.after.always(() => auth?.close());

/** A pivot that has begun, and is held before its commit. */
async function held(): Promise<{ commit(): Promise<void> }> {
  const { mongo, pivots } = auth.store;
  const [begun, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const over = transaction(mongo, async (session) => {
    await pivots.begin(session);
    begun.resolve();
    await go.promise;
  });
  await begun.promise;
  return {
    async commit() {
      go.resolve();
      await over;
    },
  };
}

test.serial('who takes something away waits for the pivots that have begun, and for no later one', async (t) => {
  const { pivots } = auth.store;
  await pivots.settled();
  const [one, two] = [await held(), await held()];
  let settled = false;
  const waiting = pivots.settled().then(() => {
    settled = true;
  });
  await sleep(100);
  t.false(settled);
  await one.commit();
  await sleep(100);
  t.false(settled);
  await two.commit();
  await waiting;
  const later = await held();
  t.pass('one that begins while nobody waits is not held up');
  await later.commit();
});

test.serial('one that waits is not held up for ever by a process that stands still', async (t) => {
  const { pivots } = auth.store;
  const stuck = await held();
  await t.throwsAsync(pivots.settled(), { message: /time limit/ });
  await stuck.commit();
  await t.notThrowsAsync(pivots.settled());
});

test.serial('documents that are lost are made again; what met that is tried again', async (t) => {
  const { mongo, pivots } = auth.store;
  await mongo.db.collection('pivots').deleteMany({});
  await t.throwsAsync(
    transaction(mongo, (session) => pivots.begin(session)),
    { code: 'STORE_CONFLICT' },
  );
  await t.notThrowsAsync(transaction(mongo, (session) => pivots.begin(session)));
  await mongo.db.collection('pivots').deleteMany({});
  const lost = pivots.settled();
  await t.notThrowsAsync(lost);
  t.is(await mongo.db.collection('pivots').countDocuments(), 64);
});

/** What is served to others than sagas. */
const served = () => authHandlers(auth, auth.keys);
const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 600_000) };

const cedar = (effect: 'permit' | 'forbid') => `${effect} (principal, action, resource);`;

/** All that takes something away, each with what it needs beforehand. */
const TAKING_AWAY: Record<string, () => Promise<() => Promise<unknown>>> = {
  grantRoles: async () => {
    const memberId = await auth.member();
    return () => auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: [] });
  },
  changeRoles: async () => {
    const memberId = await auth.member();
    return () => auth.steps.changeRoles({ operationId: randomUUID(), memberId, roleIds: [] });
  },
  suspendLogin: async () => {
    const memberId = await auth.member();
    return () => auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
  },
  endSessions: async () => {
    const memberId = await auth.member();
    await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
    return () => auth.steps.endSessions({ operationId: randomUUID(), memberId });
  },
  removeLogin: async () => {
    const memberId = await auth.member();
    await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
    return () => auth.steps.removeLogin({ operationId: randomUUID(), memberId });
  },
  removeRole: async () => {
    const roleId = randomUUID();
    await auth.role(roleId, []);
    return () => auth.steps.removeRole({ operationId: randomUUID(), roleId });
  },
  attachPolicy: async () => {
    const roleId = randomUUID();
    await auth.role(roleId, []);
    const policy = { policyId: randomUUID(), name: '', cedar: cedar('forbid') };
    return () => auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy });
  },
  detachPolicy: async () => {
    const roleId = randomUUID();
    await auth.role(roleId, [cedar('permit')]);
    return () => auth.steps.detachPolicy({ operationId: randomUUID(), roleId, policyId: `${roleId}.0` });
  },
  changePolicy: async () => {
    const roleId = randomUUID();
    await auth.role(roleId, [cedar('permit')]);
    const policy = { policyId: `${roleId}.0`, name: '', cedar: cedar('forbid') };
    return () => auth.steps.changePolicy({ operationId: randomUUID(), policy, roleIds: [roleId], raw: true });
  },
  'what is put right of a login': async () => {
    const memberId = await auth.member();
    const { version = 0 } = (await auth.store.members.findOne({ _id: memberId })) ?? {};
    const request = { memberId, version, loginId: undefined, open: undefined, roles: { roleIds: [] } };
    return () => served().correctLogin(request, call);
  },
  'what is put right of a role': async () => {
    const roleId = randomUUID();
    await auth.role(roleId, [cedar('permit')]);
    return () => served().correctRole({ roleId, version: 1, policies: [], removed: true }, call);
  },
  'what is put in place of a role': async () => {
    const roleId = randomUUID();
    await auth.role(roleId, [cedar('permit')]);
    const shown = { name: '', description: '', builtIn: true, createdAt: undefined, updatedAt: undefined };
    return () => served().putRoles({ roles: [{ ...shown, roleId, version: 2, policies: [] }] }, call);
  },
  'the end of a session': async () => {
    const loginId = `member.${randomUUID()}`;
    await auth.member({ loginId });
    const { accessToken } = await logIn(auth, loginOf(loginId));
    return () => logOut(auth, accessToken);
  },
};

for (const [what, prepare] of Object.entries(TAKING_AWAY))
  test.serial(`${what} is answered once nothing passes any more that looked before`, async (t) => {
    const takeAway = await prepare();
    const pivot = await held();
    let answered = false;
    const answer = takeAway().then(() => {
      answered = true;
    });
    await sleep(150);
    t.false(answered);
    await pivot.commit();
    await answer;
  });

test.serial('what only gives waits for no pivot', async (t) => {
  const roleId = randomUUID();
  await auth.role(roleId, []);
  const policy = { policyId: randomUUID(), name: '', cedar: cedar('permit') };
  const pivot = await held();
  await auth.steps.attachPolicy({ operationId: randomUUID(), roleId, policy });
  await auth.steps.changePolicy({ operationId: randomUUID(), policy, roleIds: [], raw: true });
  t.pass('both have answered, though the pivot has not passed');
  await pivot.commit();
});

test.serial('what is taken away between the look of a pivot and its commit is acknowledged after that', async (t) => {
  const loginId = `member.${randomUUID()}`;
  const roleId = randomUUID();
  await auth.role(roleId, [cedar('permit')]);
  const memberId = await auth.member({ loginId, roleIds: [roleId] });
  const { accessToken } = await logIn(auth, loginOf(loginId));
  const { sessionId } = await auth.accessTokens.verify(accessToken);
  const what = { action: 'member.update', resource: { type: 'Member', id: memberId, ownerId: '' } };
  const permit = auth.permits.seal({ memberId, sessionId, ...what });
  // Its policies are parsed by now: else they would be read after its look.
  await requirePermit(auth, permit);
  // Its look is held: from then on it has begun.
  const { facts } = auth.sessions;
  const [looked, go] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const stalled = {
    facts: async (...asked: Parameters<typeof facts>) => {
      const answer = await facts.apply(auth.sessions, asked);
      looked.resolve();
      await go.promise;
      return answer;
    },
  };
  const steps = authSteps({ ...auth, sessions: stalled as never });
  const order: string[] = [];
  const passing = steps.confirmPermit({ operationId: randomUUID(), permit }).then(() => order.push('passed'));
  await looked.promise;
  const taking = auth.steps
    .detachPolicy({ operationId: randomUUID(), roleId, policyId: `${roleId}.0` })
    .then(() => order.push('acknowledged'));
  await sleep(150);
  t.deepEqual(order, []);
  go.resolve();
  // Which of the two is told first is not said: what has passed is committed before either.
  await Promise.all([passing, taking]);
  await t.throwsAsync(auth.steps.confirmPermit({ operationId: randomUUID(), permit }), { code: 'PERMISSION_REVOKED' });
});
