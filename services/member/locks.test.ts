import { randomUUID } from 'node:crypto';
import test from 'ava';
import { call, openTestMember, type TestMember } from './member.fixture.ts';

/** A member belongs to one job at a time, from that job's first step to its last. */

let member: TestMember;
let { service, rowOf } = {} as TestMember;
test.before(async () => {
  member = await openTestMember('locks');
  ({ service, rowOf } = member);
});
test.after.always(() => member?.close());

const create = (memberId: string, jobId: string) =>
  service.createMember(
    { operationId: `${jobId}/create`, memberId, loginId: 'alice', displayName: 'Alice', email: 'a@example.com' },
    call,
  );
const activate = (memberId: string, jobId: string) =>
  service.activateMember({ operationId: `${jobId}/activate`, memberId }, call);
const beginUpdate = (memberId: string, jobId: string, changes = {}, expectedVersion?: number) =>
  service.beginUpdate({ operationId: `${jobId}/begin-update`, memberId, changes, expectedVersion }, call);
const commitUpdate = (memberId: string, jobId: string) =>
  service.commitUpdate({ operationId: `${jobId}/commit`, memberId }, call);
const beginDelete = (memberId: string, jobId: string, expectedVersion?: number) =>
  service.beginDelete({ operationId: `${jobId}/begin-delete`, memberId, expectedVersion }, call);
const deleteMember = (memberId: string, jobId: string) =>
  service.deleteMember({ operationId: `${jobId}/delete`, memberId }, call);
const undo = (operationId: string) => service.undo({ operationId }, call);

async function active(): Promise<string> {
  const memberId = randomUUID();
  await create(memberId, `register-${memberId}`);
  await activate(memberId, `register-${memberId}`);
  return memberId;
}

test('of many that create the same member one does', async (t) => {
  const memberId = randomUUID();
  const outcomes = await Promise.allSettled(['a', 'b', 'c', 'd'].map((job) => create(memberId, `${job}-${memberId}`)));
  const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
  t.is(refused.length, 3);
  for (const { reason } of refused) t.like(reason, { code: 'MEMBER_EXISTS', retryable: false });
});

test('while a job holds a member, others are told to come again', async (t) => {
  const holds: ((memberId: string) => Promise<unknown>)[] = [
    (memberId) => create(memberId, `mine-${memberId}`),
    async (memberId) => {
      await create(memberId, memberId);
      await activate(memberId, memberId);
      await beginUpdate(memberId, `mine-${memberId}`);
    },
    async (memberId) => {
      await create(memberId, memberId);
      await activate(memberId, memberId);
      await beginDelete(memberId, `mine-${memberId}`);
    },
  ];
  for (const hold of holds) {
    const memberId = randomUUID();
    await hold(memberId);
    const before = await rowOf(memberId);
    await t.throwsAsync(beginUpdate(memberId, `other-${memberId}`), { code: 'MEMBER_BUSY', message: /Another job/ });
    t.true((await t.throwsAsync<Error & { retryable: boolean }>(beginDelete(memberId, `other-${memberId}`)))?.retryable);
    t.deepEqual(await rowOf(memberId), before);
  }
});

test('of many that begin at the same time one holds the member; the next may when it has let go', async (t) => {
  const memberId = await active();
  const outcomes = await Promise.allSettled([
    ...['a', 'b', 'c'].map((job) => beginUpdate(memberId, `${job}-${memberId}`)),
    beginDelete(memberId, `d-${memberId}`),
  ]);
  t.is(outcomes.filter((outcome) => outcome.status === 'fulfilled').length, 1);
  const holder = String((await rowOf(memberId))?.lock_holder);
  await undo(`${holder}/begin-update`);
  await undo(`${holder}/begin-delete`);
  t.is((await rowOf(memberId))?.status, 'ACTIVE');
  await t.notThrowsAsync(beginUpdate(memberId, `e-${memberId}`));
});

test('what needs the lock of an earlier step is refused to others, and out of order', async (t) => {
  const memberId = randomUUID();
  await t.throwsAsync(activate(memberId, 'nobody-1'), { code: 'MEMBER_NOT_FOUND' });
  await t.throwsAsync(commitUpdate(memberId, 'nobody-2'), { code: 'MEMBER_NOT_FOUND' });
  await t.throwsAsync(deleteMember(memberId, 'nobody-3'), { code: 'MEMBER_NOT_FOUND' });
  await t.throwsAsync(beginUpdate(memberId, 'nobody-4'), { code: 'MEMBER_NOT_FOUND' });
  await t.throwsAsync(beginDelete(memberId, 'nobody-5'), { code: 'MEMBER_NOT_FOUND' });
  await create(memberId, `mine-${memberId}`);
  await t.throwsAsync(activate(memberId, `other-${memberId}`), { code: 'LOCK_NOT_HELD' });
  await activate(memberId, `mine-${memberId}`);
  await t.throwsAsync(service.activateMember({ operationId: `mine-${memberId}/again`, memberId }, call), {
    code: 'LOCK_NOT_HELD',
  });
  await t.throwsAsync(commitUpdate(memberId, `mine-${memberId}`), { code: 'LOCK_NOT_HELD' });
  await t.throwsAsync(deleteMember(memberId, `mine-${memberId}`), { code: 'LOCK_NOT_HELD' });
  await beginUpdate(memberId, `update-${memberId}`);
  await t.throwsAsync(commitUpdate(memberId, `other-${memberId}`), { code: 'LOCK_NOT_HELD' });
  await t.throwsAsync(deleteMember(memberId, `update-${memberId}`), { code: 'LOCK_NOT_HELD' });
  await commitUpdate(memberId, `update-${memberId}`);
  await beginDelete(memberId, `delete-${memberId}`);
  await t.throwsAsync(deleteMember(memberId, `other-${memberId}`), { code: 'LOCK_NOT_HELD' });
  await deleteMember(memberId, `delete-${memberId}`);
  t.is(await rowOf(memberId), undefined);
});

test('only the version that the caller saw is changed', async (t) => {
  const memberId = await active();
  await t.throwsAsync(beginUpdate(memberId, `a-${memberId}`, {}, 1), { code: 'VERSION_MISMATCH' });
  await t.throwsAsync(beginDelete(memberId, `b-${memberId}`, 3), { code: 'VERSION_MISMATCH' });
  await t.notThrowsAsync(
    beginUpdate(memberId, `a-${memberId}`, {}, 2),
    'a refusal leaves no trace: the same step may be tried anew',
  );
});

test('a login changes if it is written in another way, be it in case only', async (t) => {
  const memberId = await active();
  const changes = async (loginId: string | undefined): Promise<boolean> => {
    const job = randomUUID();
    const { loginChanges } = await beginUpdate(memberId, job, { loginId });
    await undo(`${job}/begin-update`);
    return loginChanges;
  };
  t.false(await changes(undefined));
  t.false(await changes('alice'));
  t.true(await changes('ALICE'), 'or Auth would be left behind');
  t.true(await changes('alice2'));
});

test('undo of a commit waits for the job that took the member since, and leaves alone what that one changed', async (t) => {
  const memberId = await active();
  const [mine, other] = [`mine-${memberId}`, `other-${memberId}`];
  await beginUpdate(memberId, mine, { displayName: 'Mine', email: 'mine@example.com' });
  await commitUpdate(memberId, mine);
  await beginUpdate(memberId, other, { displayName: 'Other' });
  await t.throwsAsync(undo(`${mine}/commit`), { code: 'MEMBER_BUSY' });
  await commitUpdate(memberId, other);
  const changed = await rowOf(memberId);
  await undo(`${mine}/commit`);
  await undo(`${mine}/begin-update`);
  const left = await rowOf(memberId);
  t.like(left, { display_name: 'Other', email: 'a@example.com', status: 'ACTIVE', lock_holder: null });
  t.true(Number(left?.updated_at) >= Number(changed?.updated_at), 'what the other changed was not before that');
});

test('undo of a creation waits for the job that took the member since', async (t) => {
  const memberId = await active();
  await beginDelete(memberId, `delete-${memberId}`);
  await t.throwsAsync(undo(`register-${memberId}/create`), { code: 'MEMBER_BUSY' });
  await deleteMember(memberId, `delete-${memberId}`);
  await undo(`register-${memberId}/create`);
  t.is(await rowOf(memberId), undefined);
});

test('an undo does not take the lock of another job', async (t) => {
  const memberId = await active();
  await beginUpdate(memberId, `a-${memberId}`);
  await commitUpdate(memberId, `a-${memberId}`);
  await beginUpdate(memberId, `b-${memberId}`);
  await undo(`a-${memberId}/begin-update`);
  t.like(await rowOf(memberId), { lock: 'UPDATING', lock_holder: `b-${memberId}` });
});
