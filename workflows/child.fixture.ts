import { recoveryOf } from './recover.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member, role } = services;

interface One {
  memberId: string;
}

/** What a saga of a test does for each of some, before its pivot. */
const part = saga('member.part', [[member.createMember, role.assignRoles]], async ({ step, each }, { memberId }: One) => {
  await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
  const keys = ['r1', 'r2'];
  await each(role.assignRoles, keys, (key) => ({ key, request: { memberId: `${memberId}-${key}`, roleIds: [] } }));
  return { id: memberId };
});

/** What it does after its pivot. */
const rest = saga('member.rest', [[member.activateMember]], async ({ step }, { memberId }: One) => {
  await step(member.activateMember, { memberId });
  return { id: memberId };
});

/** A saga of a test that runs others. */
const whole = saga(
  'member.whole',
  [[auth.bindLogin, part, pivot(auth.grantRoles), finish(rest, (memberId) => ({ memberId }))]],
  async ({ step, child, each }, { memberIds }: { memberIds: string[] }) => {
    const [memberId = ''] = memberIds;
    await step(auth.bindLogin, { memberId, loginId: 'taro', passwordRef: 'ref' });
    await each(part, memberIds, (memberId) => ({ key: memberId, request: { memberId } }), { atOnce: 2 });
    await step(auth.grantRoles, { memberId, roleIds: [] });
    return await child(rest, { memberId });
  },
);

/** A saga of a test that does something else beside one that it runs. */
const beside = saga('member.beside', [[part, auth.bindLogin]], async ({ step, child }, { memberId }: One) => {
  const request = { memberId, loginId: 'taro', passwordRef: 'ref' };
  await Promise.all([child(part, { memberId }), step(auth.bindLogin, request)]);
  return { id: memberId };
});

const sagas = { 'member.part': part, 'member.rest': rest, 'member.whole': whole };
const recover = recoveryOf(sagas);

export {
  beside as 'member.beside',
  part as 'member.part',
  recover as 'member.recover',
  rest as 'member.rest',
  whole as 'member.whole',
};
