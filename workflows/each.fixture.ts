import { pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member, role } = services;

interface Input {
  memberIds: string[];
}

/** A saga of a test: one step for each of many, before the pivot and after it. */
const many = saga(
  'member.many',
  [[member.createMember, role.assignRoles, pivot(auth.grantRoles), auth.removeLogin]],
  async ({ step, each }, { memberIds }: Input) => {
    const [memberId = ''] = memberIds;
    await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
    await each(role.assignRoles, memberIds, (memberId) => ({ key: memberId, request: { memberId, roleIds: ['member'] } }), {
      atOnce: 25,
    });
    await step(auth.grantRoles, { memberId, roleIds: [] });
    await each(auth.removeLogin, memberIds, (memberId) => ({ key: memberId, request: { memberId } }), { atOnce: 25 });
    return { count: memberIds.length };
  },
);

export { many as 'member.many' };
