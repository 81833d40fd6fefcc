import { randomUUID } from 'node:crypto';
import test from 'ava';
import { call, openTestMember, type TestMember } from './member.fixture.ts';

let member: TestMember;
test.before(async () => {
  member = await openTestMember('go_over');
});
test.after.always(() => member?.close());

test('all members are gone over in parts, in which each stays whoever comes and goes', async (t) => {
  const { service } = member;
  const add = async (isDone = true): Promise<string> => {
    const [memberId, jobId] = [randomUUID(), randomUUID()];
    const profile = { loginId: `m-${memberId.slice(0, 8)}`, displayName: 'Taro', email: 'taro@example.com' };
    await service.createMember({ operationId: `${jobId}/create`, memberId, ...profile }, call);
    if (isDone) await service.activateMember({ operationId: `${jobId}/activate`, memberId }, call);
    return memberId;
  };
  const all: string[] = [];
  for (let i = 0; i < 40; i++) all.push(await add());
  await add(false); // who is being registered may yet be no member
  const operation = () => ({ operationId: `${randomUUID()}/step` });
  t.is((await service.countMembers(operation(), call)).members, 40);
  const listed = async () =>
    await Promise.all(
      [0, 1, 2].map(async (part) => (await service.listPart({ ...operation(), parts: 3, part }, call)).memberIds),
    );
  const before = await listed();
  t.deepEqual(before.flat().sort(), all.toSorted());
  t.true(before.every((part) => part.length > 0));
  const late = await add();
  const after = await listed();
  t.deepEqual(
    after.map((part) => part.filter((id) => id !== late)),
    before,
  );
  await t.throwsAsync(service.listPart({ ...operation(), parts: 0, part: 0 }, call), { code: 'INVALID_ARGUMENT' });
});
