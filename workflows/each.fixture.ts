import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member, role } = services;

interface Input {
  memberIds: string[];
  /** How many the saga finds by itself, once it can not go back. */
  found?: number;
  atOnce?: number;
}

/** What a saga of a test does after its pivot for each of many that it finds. */
const rest = saga(
  'member.rest',
  [[auth.removeLogin]],
  async ({ each }, { memberId: of, found: length = 0, atOnce = 25 }: { memberId: string; found?: number; atOnce?: number }) => {
    const found = Array.from({ length }, (_, i) => `${of}-m${i}`);
    await each(auth.removeLogin, found, (memberId) => ({ key: memberId, request: { memberId } }), { atOnce });
    return { count: found.length };
  },
);

/** A saga of a test: one step for each of many, before the pivot and, in a saga that it runs, after it. */
const many = saga(
  'member.many',
  [[member.createMember, role.assignRoles, pivot(auth.grantRoles), finish(rest, (memberId) => ({ memberId }))]],
  async ({ step, each, child }, { memberIds, found = 1_300, atOnce = 25 }: Input) => {
    const [memberId = ''] = memberIds;
    await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
    await each(role.assignRoles, memberIds, (memberId) => ({ key: memberId, request: { memberId, roleIds: ['member'] } }), {
      atOnce,
    });
    await step(auth.grantRoles, { memberId, roleIds: [] });
    const { count } = await child(rest, { memberId, found, atOnce });
    return { count };
  },
);

/** A saga that another one runs for each of many. */
const part = saga(
  'member.part',
  [[role.assignRoles, auth.bindLogin, auth.suspendLogin, auth.removeLogin]],
  async ({ step }, { memberId }: { memberId: string }) => {
    await step(role.assignRoles, { memberId, roleIds: [] });
    await step(auth.bindLogin, { memberId, loginId: 'taro', passwordRef: 'ref' });
    await step(auth.suspendLogin, { memberId });
    await step(auth.removeLogin, { memberId });
    return {};
  },
);

/** A saga of a test that runs another one for each of many before its pivot. */
const parts = saga(
  'member.parts',
  [[member.createMember, part, pivot(auth.grantRoles)]],
  async ({ step, each }, { memberIds }: Input) => {
    const [memberId = ''] = memberIds;
    await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
    await each(part, memberIds, (memberId) => ({ key: memberId, request: { memberId } }));
    await step(auth.grantRoles, { memberId, roleIds: [] });
    return {};
  },
);

/** A saga with a list of its own, which another one runs. */
const crowd = saga('member.crowd', [[role.assignRoles]], async ({ each }, { memberIds }: Input) => {
  await each(role.assignRoles, memberIds, (memberId) => ({ key: memberId, request: { memberId, roleIds: [] } }));
  return {};
});

/** A saga of a test that runs such a one before its pivot. */
const around = saga(
  'member.around',
  [[member.createMember, crowd, pivot(auth.grantRoles)]],
  async ({ step, child }, { memberIds }: Input) => {
    const [memberId = ''] = memberIds;
    await step(member.createMember, { memberId, loginId: 'taro', displayName: 'Taro', email: 'a@b.c' });
    await child(crowd, { memberIds });
    await step(auth.grantRoles, { memberId, roleIds: [] });
    return {};
  },
);

/** A saga of a test with two lists side by side: one of a single item, and a long one. */
const beside = saga(
  'member.beside',
  [[auth.bindLogin, role.assignRoles, pivot(auth.grantRoles)]],
  async ({ step, each }, { memberIds }: Input) => {
    const [memberId = ''] = memberIds;
    await Promise.all([
      each(auth.bindLogin, [memberId], () => ({ key: memberId, request: { memberId, loginId: 'taro', passwordRef: 'ref' } })),
      each(role.assignRoles, memberIds, (id) => ({ key: id, request: { memberId: id, roleIds: [] } }), { atOnce: 25 }),
    ]);
    await step(auth.grantRoles, { memberId, roleIds: [] });
    return {};
  },
);

/** A saga of a test that runs one with a list of its own before it has a long list itself. */
const grown = saga('member.grown', [[crowd, auth.bindLogin]], async ({ child, each }, { memberIds }: Input) => {
  await child(crowd, { memberIds: memberIds.slice(0, 3) });
  const request = { loginId: 'taro', passwordRef: 'ref' };
  await each(auth.bindLogin, memberIds, (memberId) => ({ key: memberId, request: { memberId, ...request } }), { atOnce: 25 });
  return {};
});

interface Wide {
  atOnce: number;
  /** Default: as many as `atOnce`. */
  count?: number;
}

/** A saga of a test with so many items at the same time as its input says. */
const wide = saga('member.wide', [[role.assignRoles]], async ({ each }, { atOnce, count = atOnce }: Wide) => {
  const items = Array.from({ length: count }, (_, i) => `m${i}`);
  await each(role.assignRoles, items, (memberId) => ({ key: memberId, request: { memberId, roleIds: [] } }), { atOnce });
  return {};
});

export {
  around as 'member.around',
  beside as 'member.beside',
  crowd as 'member.crowd',
  grown as 'member.grown',
  many as 'member.many',
  part as 'member.part',
  parts as 'member.parts',
  rest as 'member.rest',
  wide as 'member.wide',
};
