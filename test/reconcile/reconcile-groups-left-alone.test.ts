import anyTest, { type ExecutionContext } from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { newId } from '#platform/validation/id.ts';
import { reconcile } from '../../worker/reconcile/reconcile.ts';
import { type Access, leftUntold, openAccess } from './reconcile.fixture.ts';

// What of groups is no difference, or takes nothing away: what is put right is in reconcile-groups.test.ts.

// One after the other: each opens databases, and much of that at once is too much for a small machine.
const test = anyTest.serial;

const system = async (t: ExecutionContext): Promise<Access> => {
  const access = await openAccess();
  t.teardown(access.close);
  return access;
};

test('what a job is at is no difference: a group that is made, changed, moved or deleted, a membership, a position', async (t) => {
  const access = await system(t);
  const [{ memberId: leaderId }, { memberId }] = [await access.member(['admin']), await access.member()];
  const [changed, from, to, deleted, place] = [
    await access.group({ leaderId }),
    await access.group({ leaderId }),
    await access.group({ leaderId }),
    await access.group({ leaderId }),
    await access.group({ leaderId }),
  ];
  const [moved, inner] = [await access.group({ parentId: from }), await access.group({ parentId: deleted })];
  const positions = [await access.position(place), await access.position(place), await access.position(place)];
  await access.standing(inner, memberId);
  await access.standing(moved, memberId);
  // Each as far as Auth's step, and no further.
  const created = newId();
  const fields = { name: created, description: '', visibility: 'VISIBILITY_OPEN' as const, tags: [] };
  const create = access.job();
  await create('group', 'beginCreateGroup', { groupId: created, parentId: ROOT, ...fields });
  const made = await create('position', 'addDefaultPositions', { groupId: created });
  await create('auth', 'addGroup', { groupId: created, parentId: ROOT, findable: true, positions: made.positions });
  const hide = access.job();
  await hide('group', 'beginUpdateGroup', { groupId: changed, visibility: 'VISIBILITY_INVITATION' });
  await hide('auth', 'changeGroup', { groupId: changed, findable: false });
  const move = access.job();
  await move('group', 'beginMoveGroup', { groupId: moved, parentId: to });
  await move('auth', 'moveGroup', { groupId: moved, parentId: to });
  const remove = access.job();
  await remove('group', 'beginDeleteGroup', { groupId: deleted, cascade: true });
  await remove('auth', 'removeGroups', { groupId: deleted });
  const join = access.job();
  await join('group', 'beginChangeMembership', { groupId: place, memberId, change: 'MEMBERSHIP_CHANGE_ADD', reason: '' });
  await join('auth', 'changeStandings', { groupId: place, changes: [{ memberId, isMember: true, positions: undefined }] });
  const [put, drop, bound = ''] = positions;
  const change = access.job();
  const asked = { groupId: place, positionId: put, permissions: { permissions: [] } };
  const { position } = await change('position', 'beginUpdatePosition', asked);
  await change('auth', 'putPosition', { groupId: place, position });
  const take = access.job();
  await take('position', 'beginDeletePosition', { groupId: place, positionId: drop });
  await take('auth', 'removePosition', { groupId: place, positionId: drop });
  const bind = access.job();
  const bindings = { groupId: place, memberId: leaderId, bind: [bound], release: [], releaseAll: false };
  const { bindings: standings } = await bind('position', 'beginChangeBindings', bindings);
  const changes = standings.map(({ memberId, positionIds }: { memberId: string; positionIds: string[] }) => ({
    memberId,
    positions: { positionIds },
  }));
  await bind('auth', 'changeStandings', { groupId: place, changes });

  const { repaired, left } = await reconcile(access.context);
  t.deepEqual([repaired, left], [{}, []]);
  await bind('position', 'commitBindings');
  await take('position', 'commitPosition', { positionId: drop });
  await change('position', 'commitPosition', { positionId: put });
  await join('group', 'commitMembership');
  await move('group', 'commitGroup', { groupId: moved });
  await hide('group', 'commitGroup', { groupId: changed });
  await create('group', 'commitGroup', { groupId: created });
  await remove('group', 'purgeMemberships', { groupId: deleted, limit: 10 });
  const { groupIds } = await remove('group', 'purgeGroups', { groupId: deleted, limit: 10 });
  t.deepEqual((await reconcile(access.context)).repaired, {}, 'nor while the groups are forgotten');
  const { positionIds } = await remove('position', 'removeAllPositions', { groupIds });
  await remove('auth', 'forgetGroups', { groupIds, positionIds });
  const after = await reconcile(access.context);
  t.deepEqual([after.repaired, after.left], [{}, []]);
});

test('what is changed before it is put right is left alone', async (t) => {
  const access = await system(t);
  await access.member(['admin']);
  const [groupId, { memberId }] = [await access.group(), await access.member()];
  const other = await access.group();
  const { groups } = access.auth.store;
  await groups.updateOne({ _id: groupId }, { $set: { findable: false } });
  await leftUntold(access, groupId, memberId);
  const { auth } = access.context;
  const late: typeof auth = {
    ...auth,
    correctGroup: async (request) => {
      await groups.updateOne({ _id: groupId }, { $inc: { version: 1 } });
      return await auth.correctGroup(request);
    },
    correctStanding: async (request) => {
      await access.standing(other, memberId);
      return await auth.correctStanding(request);
    },
  };
  const { repaired, left } = await reconcile({ ...access.context, auth: late });
  t.deepEqual([repaired, left], [{}, []]);
  t.deepEqual((await reconcile(access.context)).repaired, { 'group-visibility': 1, 'extra-membership': 1 });
});
