import { randomUUID } from 'node:crypto';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { PositionKind, type Tenure } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { grant, groupsOf, NO_TENURE } from '../groups/groups.fixture.ts';
import { listAuditEvents } from '../rpcs/list-audit-events.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

let auth: TestAuth;
let { member, made } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made } = groupsOf(auth));
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

test('which positions somebody comes to hold, holds for another time, or is let go from, the audit names', async (t) => {
  const [kept, other] = [grant(PositionKind.POSITION_KIND_UNSPECIFIED), grant(PositionKind.POSITION_KIND_UNSPECIFIED)];
  const [leader, friend] = [await member(), await member()];
  const group = await made(leader.memberId, ROOT, kept, other);
  const [led, keptId, otherId] = [group.leader.positionId, kept.positionId, other.positionId];
  const named = async (positionIds: string[], tenure: Partial<Tenure> = {}, by: string = leader.permit(group.groupId)) => {
    const operationId = `${randomUUID()}/auth.changeStandings`;
    await auth.steps.changeStandings({
      ...{ operationId, groupId: group.groupId, permit: by },
      changes: [{ memberId: friend.memberId, isMember: true, positions: { positionIds } }],
      tenure: { ...NO_TENURE, ...tenure },
    });
    const filter = { memberId: friend.memberId, action: undefined, since: undefined, until: undefined };
    const { events } = await listAuditEvents(auth, { filter, pageSize: 100, pageToken: '' });
    const event = events.find(({ jobId }) => jobId === operationId.split('/')[0]);
    return event?.resources.filter(({ type }) => type === 'Position').map(({ id }) => id);
  };
  t.deepEqual(await named([]), []);
  t.deepEqual(await named([led, keptId]), [led, keptId], 'which it comes to hold');
  t.deepEqual(await named([led, keptId], { prolongedIds: [led] }), [led], 'which it holds for longer');
  const shortens = { shortens: true, shortened: { positionIds: [keptId] } };
  // To shorten is to let go, which leaders that tests make may not.
  t.deepEqual(await named([led, keptId], shortens, 'position.bind'), [keptId], 'which it holds for less long');
  t.deepEqual(await named([led, keptId], { shortens: true }, 'position.bind'), [led, keptId], 'each that it may be');
  t.deepEqual(await named([keptId, otherId], {}, 'position.end-term'), [otherId, led], 'also where the system does it');
  t.deepEqual(await named([]), [keptId, otherId], 'from which it is let go');
});
