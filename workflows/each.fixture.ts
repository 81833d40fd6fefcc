import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member, role } = services;

interface Input {
  memberIds: string[];
}

/** How many the saga below finds by itself, once it can not go back. */
const FOUND = 1_300;

/** What a saga of a test does after its pivot for each of many that it finds. */
const rest = saga('member.rest', [[auth.removeLogin]], async ({ each }, { memberId: of }: { memberId: string }) => {
  const found = Array.from({ length: FOUND }, (_, i) => `${of}-m${i}`);
  await each(auth.removeLogin, found, (memberId) => ({ key: memberId, request: { memberId } }), { atOnce: 25 });
  return { count: found.length };
});

/** A saga of a test: one step for each of many, before the pivot and, in a saga that it runs, after it. */
const many = saga(
  'member.many',
  [[member.createMember, role.assignRoles, pivot(auth.grantRoles), finish(rest, (memberId) => ({ memberId }))]],
  async ({ step, each, child }, { memberIds }: Input) => {
    const [memberId = ''] = memberIds;
    await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
    await each(role.assignRoles, memberIds, (memberId) => ({ key: memberId, request: { memberId, roleIds: ['member'] } }), {
      atOnce: 25,
    });
    await step(auth.grantRoles, { memberId, roleIds: [] });
    const { count } = await child(rest, { memberId });
    return { count };
  },
);

export { many as 'member.many', rest as 'member.rest' };
