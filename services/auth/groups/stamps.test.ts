import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind } from '#proto/musubi/position/v1/position.ts';
import { checkAll } from '../access.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';
import { change, grant, groupsOf, moving, operation } from './groups.fixture.ts';

// Whether what an answer goes by has changed, and be it that it is now as it was: that is told by its stamp.

let auth: TestAuth;
let { member, made, undo } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made, undo } = groupsOf(auth));
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

const READ = 'permit (principal, action == Musubi::Action::"group.read", resource);';

test('a stamp changes with policies, the place of the group, and positions there and above; not with anything else', async (t) => {
  const role = `reads-${randomUUID()}`;
  await auth.role(role, [READ]);
  const one = await member(role);
  const [top, place, beside] = [await made(undefined), await made(undefined), await made(one.memberId)];
  const inner = await made(undefined, top.groupId);
  await auth.steps.changeStandings({
    ...change(),
    groupId: top.groupId,
    changes: [{ memberId: one.memberId, isMember: true, positions: undefined }],
  });
  const ask = async (id = inner.groupId) => {
    const checks = [{ action: 'group.read', resource: { type: 'Group', id, ownerId: '' } }];
    const { allowed, stamps } = await checkAll(auth, { accessToken: one.accessToken, checks });
    return { allowed: allowed[0], stamp: stamps()[0] };
  };
  const seen = new Set<string | undefined>();
  const first = await ask();
  t.true(first.allowed);
  seen.add(first.stamp);
  const put = ({ groupId, everybody }: { groupId: string; everybody: { positionId: string } }) =>
    auth.steps.putPosition({
      ...operation(),
      groupId,
      position: { ...grant(PositionKind.POSITION_KIND_MEMBER), positionId: everybody.positionId },
    });
  const isAnother = async (why: string): Promise<void> => {
    const { stamp } = await ask();
    t.false(seen.has(stamp), why);
    seen.add(stamp);
  };
  await put(beside);
  await auth.role(`other-${randomUUID()}`, [READ]);
  await auth.steps.moveGroup({ ...moving(), groupId: beside.groupId, parentId: place.groupId });
  t.deepEqual(await ask(), first, 'something else');

  await auth.role(role, [READ, READ], 2);
  await isAnother('a policy');
  await auth.role(role, [READ], 3);
  await isAnother('the same policies again');
  await put(top);
  await isAnother('what it holds above');
  await put(inner);
  await isAnother('what there is to hold in it');
  const now = await ask();
  await put(inner);
  t.deepEqual(await ask(), now, 'what its positions are called is not asked for');
  for (const findable of [false, true]) {
    await auth.steps.changeGroup({ ...operation(), groupId: inner.groupId, findable });
    await isAnother('whether everybody finds it');
  }
  for (const parentId of [place.groupId, ROOT]) {
    await auth.steps.moveGroup({ ...moving(), groupId: top.groupId, parentId });
    await isAnother('where it is');
  }
  t.deepEqual(await ask(randomUUID()), { allowed: true, stamp: '' }, 'nothing is known of it');
});

test('a stamp changes with what is undone, too: meanwhile it was something else', async (t) => {
  const role = `reads-${randomUUID()}`;
  await auth.role(role, [READ]);
  const one = await member(role);
  const [place, own] = [await made(undefined), grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.update', 'here'])];
  const { groupId } = await made(undefined, ROOT, own, grant(PositionKind.POSITION_KIND_UNSPECIFIED));
  const positions = async () => (await auth.store.groups.findOne({ _id: groupId }))?.positions;
  const stamp = async () => {
    const checks = [{ action: 'group.read', resource: { type: 'Group', id: groupId, ownerId: '' } }];
    return (await checkAll(auth, { accessToken: one.accessToken, checks })).stamps()[0] ?? '';
  };
  const before = await positions();
  const steps: Record<string, (asked: ReturnType<typeof operation>) => Promise<unknown>> = {
    'another position': (asked) => auth.steps.putPosition({ ...asked, groupId, position: { ...own, permissions: [] } }),
    'one position less': (asked) => auth.steps.removePosition({ ...asked, groupId, positionId: own.positionId }),
    'found by nobody else': (asked) => auth.steps.changeGroup({ ...asked, groupId, findable: false }),
    'another place': (asked) => auth.steps.moveGroup({ ...asked, endingIds: [], groupId, parentId: place.groupId }),
  };
  const seen = new Set([await stamp()]);
  for (const [what, step] of Object.entries(steps)) {
    const asked = operation();
    for (const work of [() => step(asked), () => undo(asked.operationId)]) {
      await work();
      const next = await stamp();
      t.false(seen.has(next), what);
      seen.add(next);
    }
    t.deepEqual(await positions(), before, `${what}: each in its place`);
  }
});
