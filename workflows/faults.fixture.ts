import { recoveryOf } from './recover.ts';
import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member, role } = services;

interface Input {
  memberId: string;
  /** Whether the first pivot is done; if not, the second one is the pivot. */
  grants: boolean;
}

const ofMember = (memberId: string) => ({ memberId });

const part = saga(
  'member.part',
  [[role.assignRoles, member.beginUpdate]],
  async ({ step }, { memberId }: { memberId: string }) => {
    await step(role.assignRoles, { memberId, roleIds: [] });
    await step(member.beginUpdate, { memberId, changes: {} });
    return {};
  },
);

const rest = saga('member.rest', [[auth.removeLogin]], async ({ step }, { memberId }: { memberId: string }) => {
  await step(auth.removeLogin, { memberId });
  return {};
});

/** The engine's own saga: all that a saga can be made of, before its pivot and after it. */
const tried = saga(
  'member.tried',
  [
    [
      member.createMember,
      auth.bindLogin,
      part,
      pivot(auth.grantRoles),
      pivot(finish(member.activateMember, ofMember)),
      finish(auth.endSessions, ofMember),
      finish(rest, ofMember),
    ],
  ],
  async ({ step, each, child }, { memberId, grants }: Input) => {
    await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
    const ofItem = (key: string) => ({ key, request: { memberId, loginId: key, passwordRef: 'ref' } });
    await each(auth.bindLogin, ['a', 'b', 'c'], ofItem, { atOnce: 2 });
    await child(part, { memberId });
    if (grants) await step(auth.grantRoles, { memberId, roleIds: [] });
    await step(member.activateMember, { memberId });
    await step(auth.endSessions, { memberId });
    await child(rest, { memberId });
    return { id: memberId };
  },
);

const recover = recoveryOf({ 'member.tried': tried });

export { part as 'member.part', recover as 'saga.recover', rest as 'member.rest', tried as 'member.tried' };
