import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member } = services;

/** A saga of a test over a list. Only what is done before the list is seen by queries. */
const list = saga(
  'member.list',
  [[member.createMember, auth.suspendLogin, pivot(auth.grantRoles), finish(auth.endSessions, (memberId) => ({ memberId }))]],
  async ({ step, each }, { memberIds }: { memberIds: string[] }) => {
    const [memberId = ''] = memberIds;
    await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
    await each(auth.suspendLogin, memberIds, (memberId) => ({ key: memberId, request: { memberId } }), { atOnce: 30 });
    await step(auth.grantRoles, { memberId, roleIds: [] });
    await step(auth.endSessions, { memberId });
    return { id: memberId };
  },
);

export { list as 'member.list' };
