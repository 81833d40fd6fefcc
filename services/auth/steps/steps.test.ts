import { randomUUID } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { freshLogin, openTestAuth, PASSWORD, type TestAuth } from '../auth.fixture.ts';
import { stagePassword } from '../rpcs/stage-password.ts';

let auth: TestAuth;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  await auth.role('reader', ['permit (principal, action, resource);']);
  await auth.role('writer', ['permit (principal, action, resource);']);
});
test.after.always(() => auth?.close());

/** A step, ready to be done to a member of its own. */
interface Step {
  memberId: string;
  run: (operationId: string) => Promise<unknown>;
}

const pending = async (): Promise<string> => {
  const memberId = randomUUID();
  const passwordRef = await stagePassword(auth.store, auth.passwords, PASSWORD);
  await auth.steps.bindLogin({ operationId: randomUUID(), memberId, loginId: freshLogin(), passwordRef });
  return memberId;
};

/** The events that a step writes, and those of its undo: of what may end sessions, and of nothing else. */
const STEPS: Record<string, { prepare: () => Promise<Step>; events?: string[]; undone?: string[] }> = {
  'auth.bind-login': {
    undone: ['auth.login-removed'],
    prepare: async () => {
      const memberId = randomUUID();
      const passwordRef = await stagePassword(auth.store, auth.passwords, PASSWORD);
      const loginId = freshLogin();
      return { memberId, run: (operationId) => auth.steps.bindLogin({ operationId, memberId, loginId, passwordRef }) };
    },
  },
  'auth.grant-roles to a new member': {
    undone: ['auth.login-suspended'],
    prepare: async () => {
      const memberId = await pending();
      return { memberId, run: (operationId) => auth.steps.grantRoles({ operationId, memberId, roleIds: ['reader'] }) };
    },
  },
  'auth.grant-roles to an active member': {
    prepare: async () => {
      const memberId = await auth.member({ roleIds: ['reader'] });
      return { memberId, run: (operationId) => auth.steps.grantRoles({ operationId, memberId, roleIds: ['writer', 'writer'] }) };
    },
  },
  'auth.rebind-login': {
    prepare: async () => {
      const memberId = await auth.member();
      const loginId = freshLogin();
      return { memberId, run: (operationId) => auth.steps.rebindLogin({ operationId, memberId, loginId }) };
    },
  },
  'auth.rebind-login to a former name': {
    prepare: async () => {
      const loginId = freshLogin();
      const memberId = await auth.member({ loginId });
      await rebindTo(memberId, freshLogin());
      return { memberId, run: (operationId) => auth.steps.rebindLogin({ operationId, memberId, loginId }) };
    },
  },
  'auth.rebind-login in case only': {
    prepare: async () => {
      const loginId = freshLogin();
      const memberId = await auth.member({ loginId });
      return {
        memberId,
        run: (operationId) => auth.steps.rebindLogin({ operationId, memberId, loginId: loginId.toUpperCase() }),
      };
    },
  },
  'auth.suspend-login': {
    events: ['auth.login-suspended'],
    prepare: async () => {
      const memberId = await auth.member();
      return { memberId, run: (operationId) => auth.steps.suspendLogin({ operationId, memberId }) };
    },
  },
  'auth.reinstate-login': {
    undone: ['auth.login-suspended'],
    prepare: async () => {
      const memberId = await auth.member();
      await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
      return { memberId, run: (operationId) => auth.steps.reinstateLogin({ operationId, memberId }) };
    },
  },
};
/** Everything that is stored of a member, save what counts and dates its changes. */
async function state(memberId: string): Promise<unknown> {
  const member = await auth.store.members.findOne({ _id: memberId });
  const held = await auth.store.heldLogins.collection.find({ memberId }, { sort: { _id: 1 } }).toArray();
  if (!member) return held.length > 0 ? held : null;
  const { version: _, updatedAt: __, ...rest } = member;
  return { ...rest, held };
}

const versionOf = async (memberId: string): Promise<number> =>
  (await auth.store.members.findOne({ _id: memberId }, { projection: { version: 1 } }))?.version ?? 0;

const events = (memberId: string) =>
  auth.store.mongo.db
    .collection('outbox')
    .find({ aggregateid: memberId }, { sort: { version: 1 } })
    .toArray();

for (const [name, { prepare, events: told = [], undone = [] }] of Object.entries(STEPS)) {
  test(`${name}: done twice, at once or later, is done once`, async (t) => {
    const { memberId, run } = await prepare();
    const before = await events(memberId);
    const operationId = randomUUID();
    await Promise.all([run(operationId), run(operationId)]);
    const after = await state(memberId);
    await run(operationId);
    t.deepEqual(await state(memberId), after);
    const added = (await events(memberId)).slice(before.length);
    const version = await versionOf(memberId);
    t.deepEqual(
      added.map(({ type, version, aggregatetype }) => ({ type, version, aggregatetype })),
      told.map((type) => ({ type, version, aggregatetype: 'auth' })),
    );
  });

  test(`${name}: undone, everything is as before, and it can not be done any more`, async (t) => {
    const { memberId, run } = await prepare();
    const before = await state(memberId);
    const eventsBefore = await events(memberId);
    const operationId = randomUUID();
    await run(operationId);
    const done = await versionOf(memberId);
    t.notDeepEqual(await state(memberId), before);
    await Promise.all([auth.steps.undo({ operationId: operationId }), auth.steps.undo({ operationId: operationId })]);
    await auth.steps.undo({ operationId: operationId });
    t.deepEqual(await state(memberId), before);
    await t.throwsAsync(run(operationId), { code: 'OPERATION_UNDONE' });
    t.deepEqual(await state(memberId), before);
    const added = (await events(memberId)).slice(eventsBefore.length);
    t.deepEqual(
      added.map(({ type }) => type),
      [...told, ...undone],
    );
    if (undone.length > 0) t.is(added.at(-1)?.version, done + 1, 'the undo is a change of its own');
    else t.true((await versionOf(memberId)) > done, 'and so it is where nobody is told');
  });

  test(`${name}: undone before it came, it is refused when it comes`, async (t) => {
    const { memberId, run } = await prepare();
    const before = await state(memberId);
    const operationId = randomUUID();
    await auth.steps.undo({ operationId: operationId });
    await t.throwsAsync(run(operationId), { code: 'OPERATION_UNDONE' });
    t.deepEqual(await state(memberId), before);
  });

  test(`${name}: raced by its undo, it is as before`, async (t) => {
    for (let round = 0; round < 5; round++) {
      const { memberId, run } = await prepare();
      const before = await state(memberId);
      const operationId = randomUUID();
      await Promise.allSettled([run(operationId), auth.steps.undo({ operationId: operationId })]);
      await t.throwsAsync(run(operationId), { code: 'OPERATION_UNDONE' });
      t.deepEqual(await state(memberId), before);
    }
  });
}

test('an operation without an ID is refused', async (t) => {
  for (const { prepare } of Object.values(STEPS)) {
    const { run } = await prepare();
    await t.throwsAsync(run(''), { code: 'INVALID_ARGUMENT' });
  }
});

async function bind(memberId: string, loginId: string, operationId = randomUUID()): Promise<string> {
  const passwordRef = await stagePassword(auth.store, auth.passwords, PASSWORD);
  await auth.steps.bindLogin({ operationId, memberId, loginId, passwordRef });
  return passwordRef;
}

test('of many that bind one login at once, exactly one gets it', async (t) => {
  const loginId = freshLogin();
  const tries = Array.from({ length: 8 }, (_, index) => bind(randomUUID(), index % 2 ? loginId : loginId.toUpperCase()));
  const codes = (await Promise.allSettled(tries)).map((outcome) =>
    outcome.status === 'rejected' ? outcome.reason.code : 'bound',
  );
  t.deepEqual(codes.sort(), [...Array(7).fill('LOGIN_TAKEN'), 'bound']);
  t.is(await auth.store.members.countDocuments({ loginKey: loginId.toLowerCase() }), 1);
});

test('a taken login leaves nothing behind, and names its field', async (t) => {
  const loginId = freshLogin();
  await auth.member({ loginId });
  const memberId = randomUUID();
  const passwordRef = await stagePassword(auth.store, auth.passwords, PASSWORD);
  const operationId = randomUUID();
  const attempt = () => auth.steps.bindLogin({ operationId, memberId, loginId: loginId.toUpperCase(), passwordRef });
  const error = await t.throwsAsync(attempt(), { code: 'LOGIN_TAKEN' });
  t.like(error, { fields: [{ field: 'loginId', message: 'is taken; choose another' }] });
  await t.throwsAsync(attempt(), { code: 'LOGIN_TAKEN' }, 'a repeat is refused for the same reason');
  await auth.steps.undo({ operationId: operationId });
  t.is(await state(memberId), null);
  t.is(await auth.store.secrets.countDocuments({ _id: passwordRef }), 0);
  t.deepEqual(await events(memberId), []);
  await t.throwsAsync(rebindTo(await auth.member(), loginId), { code: 'LOGIN_TAKEN' });
});

const rebindTo = (memberId: string, loginId: string) => auth.steps.rebindLogin({ operationId: randomUUID(), memberId, loginId });

test('a staged password is good once, for 15 minutes', async (t) => {
  const passwordRef = await bind(randomUUID(), freshLogin());
  const again = () =>
    auth.steps.bindLogin({ operationId: randomUUID(), memberId: randomUUID(), loginId: freshLogin(), passwordRef });
  await t.throwsAsync(again(), { code: 'PASSWORD_REF_INVALID' });
  const old = await stagePassword(auth.store, auth.passwords, PASSWORD);
  await auth.store.secrets.updateOne({ _id: old }, { $set: { expiresAt: new Date(Date.now() - 1) } });
  await t.throwsAsync(
    auth.steps.bindLogin({ operationId: randomUUID(), memberId: randomUUID(), loginId: freshLogin(), passwordRef: old }),
    { code: 'PASSWORD_REF_INVALID' },
  );
  const indexes = await auth.store.secrets.indexes();
  t.true(indexes.some(({ key, expireAfterSeconds }) => key.expiresAt === 1 && expireAfterSeconds === 0));
});

test('a weak password is not staged', async (t) => {
  const error = await t.throwsAsync(stagePassword(auth.store, auth.passwords, 'password'), { code: 'WEAK_PASSWORD' });
  t.like(error, { fields: [{ field: 'password' }] });
});

test('a member has one login, and a login ID must be one', async (t) => {
  const memberId = randomUUID();
  await bind(memberId, freshLogin());
  await t.throwsAsync(bind(memberId, freshLogin()), { code: 'LOGIN_EXISTS' });
  await t.throwsAsync(bind(randomUUID(), 'no'), { code: 'INVALID_ARGUMENT' });
  await t.throwsAsync(bind('', freshLogin()), { code: 'INVALID_ARGUMENT' });
});

test('steps refuse a member that is not there', async (t) => {
  const memberId = randomUUID();
  const operation = () => ({ operationId: randomUUID(), memberId });
  await t.throwsAsync(auth.steps.grantRoles({ ...operation(), roleIds: [] }), { code: 'LOGIN_NOT_FOUND' });
  await t.throwsAsync(rebindTo(memberId, freshLogin()), { code: 'LOGIN_NOT_FOUND' });
  await t.throwsAsync(auth.steps.reinstateLogin(operation()), { code: 'LOGIN_NOT_FOUND' });
});

test('of a member that is not there, nothing is left to close, to end or to remove, and nothing comes of an undo', async (t) => {
  const memberId = randomUUID();
  const operation = { operationId: randomUUID(), memberId };
  await t.notThrowsAsync(auth.steps.suspendLogin(operation));
  await auth.steps.undo({ operationId: operation.operationId });
  await t.notThrowsAsync(auth.steps.endSessions({ operationId: randomUUID(), memberId }));
  await t.notThrowsAsync(auth.steps.removeLogin({ operationId: randomUUID(), memberId }));
  t.is(await state(memberId), null);
  t.like(await events(memberId), [{ type: 'erasure.requested' }], 'what others have of it is to be erased all the same');
  t.is((await events(memberId)).length, 1);
});

test('a role that Auth does not know is not granted', async (t) => {
  const memberId = await auth.member({ roleIds: ['reader'] });
  const before = await state(memberId);
  await t.throwsAsync(auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: ['reader', 'ghost'] }), {
    code: 'ROLE_NOT_FOUND',
  });
  t.deepEqual(await state(memberId), before);
});

test('a suspended login is not opened by a grant', async (t) => {
  const memberId = await auth.member();
  await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
  await t.throwsAsync(auth.steps.grantRoles({ operationId: randomUUID(), memberId, roleIds: [] }), { code: 'LOGIN_CLOSED' });
});

test('a login goes for good once it is suspended; then its name is held', async (t) => {
  const loginId = freshLogin();
  const memberId = await auth.member({ loginId });
  const operationId = randomUUID();
  const remove = () => auth.steps.removeLogin({ operationId, memberId });
  await t.throwsAsync(remove(), { code: 'LOGIN_NOT_SUSPENDED' });
  await auth.steps.suspendLogin({ operationId: randomUUID(), memberId });
  await Promise.all([remove(), remove()]);
  await remove();
  t.is(await auth.store.members.findOne({ _id: memberId }), null);
  t.is((await events(memberId)).at(-1)?.type, 'auth.login-removed');
  await t.throwsAsync(auth.steps.undo({ operationId: operationId }), { code: 'UNDO_IMPOSSIBLE' });
  await t.notThrowsAsync(remove(), 'and is still done');
  await t.throwsAsync(auth.member({ loginId }), { code: 'LOGIN_TAKEN' });
});

test('neither events nor operations hold a password, a hash or a reference', async (t: ExecutionContext) => {
  const memberId = randomUUID();
  const passwordRef = await bind(memberId, freshLogin());
  const hash = (await auth.store.members.findOne({ _id: memberId }))?.password.hash ?? 'none';
  const everything = JSON.stringify([
    await auth.store.mongo.db.collection('operations').find().toArray(),
    await auth.store.mongo.db.collection('outbox').find().toArray(),
  ]);
  for (const secret of [PASSWORD, passwordRef, hash, 'argon2id']) t.false(everything.includes(secret));
});
