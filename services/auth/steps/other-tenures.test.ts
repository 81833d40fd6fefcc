import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import { type Grant, PositionKind, type Tenure } from '#proto/musubi/position/v1/position.ts';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { TENURES_KEPT } from '../domain.ts';
import { grant, groupsOf, NO_TENURE, operation } from '../groups/groups.fixture.ts';
import { NOTHING_ASKED } from '../question.ts';
import { putRootGroup } from '../rpcs/put-root-group.ts';

// What who gives something came to hold, or holds for another time, after it was said for how long it holds what it has.

let auth: TestAuth;
let { member, made } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made } = groupsOf(auth));
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

const REVOKED = { code: 'PERMISSION_REVOKED' };

type Someone = Awaited<ReturnType<typeof member>>;

/** Has a member of a group be bound to exactly these positions, as the system itself does. */
const bind = (groupId: string, { memberId }: Someone, positionIds: string[], tenure: Partial<Tenure> = {}) =>
  auth.steps.changeStandings({
    ...operation(),
    groupId,
    changes: [{ memberId, isMember: true, positions: { positionIds } }],
    tenure: { ...NO_TENURE, ...tenure },
  });
const tenuresOf = async ({ memberId }: Someone) => (await auth.sessions.factsOfMember(memberId, NOTHING_ASKED))?.tenures ?? 0;
/** Has one bind another one, as it was allowed to when it had so many tenures. */
const give = (groupId: string, by: Someone, since: number, { memberId }: Someone, positionIds: string[]) =>
  auth.steps.changeStandings({
    ...operation(),
    groupId,
    changes: [{ memberId, isMember: true, positions: { positionIds } }],
    tenure: NO_TENURE,
    permit: by.permit(groupId, 'position.bind', since),
  });

test.serial('who came to hold a position meanwhile, or for another time, gives nothing by what was said before', async (t) => {
  const [leader, deputy, friend] = [await member(), await member(), await member()];
  const binding = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.bind', 'subtree']);
  const group = await made(leader.memberId, ROOT, binding);
  const below = await made(leader.memberId, group.groupId);
  const [led, ledBelow] = [[group.leader.positionId, binding.positionId], [below.leader.positionId]];
  await bind(group.groupId, deputy, led);
  await bind(below.groupId, friend, []);
  const asked = await tenuresOf(deputy);
  const giveBelow = (positionIds: string[], since = asked) => give(below.groupId, deputy, since, friend, positionIds);
  await t.notThrowsAsync(giveBelow(ledBelow), 'nothing has changed');
  await giveBelow([]);
  await bind(below.groupId, deputy, ledBelow);
  await t.notThrowsAsync(giveBelow(ledBelow), 'what it held when it asked permits that, too');
  await giveBelow([]);
  await bind(group.groupId, deputy, [binding.positionId]);
  await t.throwsAsync(giveBelow(ledBelow), REVOKED, 'that may end sooner than what it gives');
  await t.notThrowsAsync(giveBelow(ledBelow, await tenuresOf(deputy)), 'asked for again');
  await t.notThrowsAsync(giveBelow([]), 'it gives nothing');
  await giveBelow([]);
  const before = await tenuresOf(deputy);
  await bind(below.groupId, deputy, ledBelow, { shortens: true, shortened: { positionIds: [randomUUID()] } });
  await t.notThrowsAsync(giveBelow(ledBelow, before), 'something else it holds for less long');
  await giveBelow([]);
  await bind(below.groupId, deputy, ledBelow, { shortens: true, shortened: { positionIds: ledBelow } });
  await t.throwsAsync(giveBelow(ledBelow, before), REVOKED, 'it holds that for less long now');
  const unsaid = await tenuresOf(deputy);
  await bind(below.groupId, deputy, ledBelow, { shortens: true });
  await t.throwsAsync(giveBelow(ledBelow, unsaid), REVOKED, 'it is not said which it holds for less long');
  const longer = await tenuresOf(deputy);
  await bind(below.groupId, deputy, ledBelow, { prolongedIds: ledBelow });
  await t.throwsAsync(giveBelow(ledBelow, longer), REVOKED, 'it holds that for longer now: how long is said when it asks again');
  await bind(group.groupId, deputy, led);
  const now = await tenuresOf(deputy);
  await bind(below.groupId, deputy, []);
  t.is(await tenuresOf(deputy), now, 'of what is taken away Auth knows');
  await t.notThrowsAsync(giveBelow(ledBelow, now));
});

test.serial('what somebody is bound to, where it gives nothing by that, hinders nothing, however often', async (t) => {
  const [empty, named] = [grant(PositionKind.POSITION_KIND_UNSPECIFIED), grant(PositionKind.POSITION_KIND_UNSPECIFIED)];
  await auth.role(`knows-${named.positionId}`, [
    `permit (principal in Musubi::Position::"${named.positionId}", action == Musubi::Action::"group.expel-member", resource);`,
  ]);
  const expelling = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.expel-member', 'here']);
  const [leader, friend] = [await member(`knows-${named.positionId}`), await member()];
  const group = await made(leader.memberId, ROOT, empty, expelling);
  const below = await made(leader.memberId, group.groupId);
  const withNamed = await made(undefined, ROOT, named);
  const [led, ledBelow] = [[group.leader.positionId], [below.leader.positionId]];
  const giveIt = async (since: number, groupId = group.groupId, positionIds = led) => {
    await bind(groupId, friend, []);
    return await give(groupId, leader, since, friend, positionIds);
  };
  const rebind = async () => {
    await bind(group.groupId, leader, led);
    await bind(group.groupId, leader, [...led, empty.positionId]);
  };
  const asked = await tenuresOf(leader);
  await rebind();
  await t.notThrowsAsync(giveIt(asked), 'others bind it to what permits nothing');
  await t.notThrowsAsync(giveIt(asked, below.groupId, ledBelow), 'nor does that hinder it below');
  await bind(withNamed.groupId, leader, [named.positionId]);
  await t.notThrowsAsync(giveIt(asked), 'it needs nothing that policies permit to who holds that');
  await t.throwsAsync(giveIt(asked, group.groupId, [expelling.positionId]), REVOKED, 'policies name it, and permit that by it');
  await t.notThrowsAsync(giveIt(await tenuresOf(leader), group.groupId, [expelling.positionId]), 'asked for again');
  const now = await tenuresOf(leader);
  for (let times = 0; times < TENURES_KEPT; times++) await rebind();
  await t.notThrowsAsync(giveIt(now));
  await rebind();
  await t.throwsAsync(giveIt(now), REVOKED, 'of so long ago nothing is known any more');
  await t.throwsAsync(giveIt(now + 1_000), REVOKED, 'nor by an older copy of the store');
});

test.serial('of what somebody came to hold only what came since it was said counts', async (t) => {
  const [leader, deputy, friend, other] = [await member(), await member(), await member(), await member()];
  const [group, elsewhere] = [await made(leader.memberId), await made(other.memberId)];
  const led = [group.leader.positionId];
  await bind(group.groupId, deputy, led);
  const asked = await tenuresOf(deputy);
  await bind(elsewhere.groupId, deputy, [elsewhere.leader.positionId]);
  await t.notThrowsAsync(give(group.groupId, deputy, asked, friend, led), 'it led this one before');
  await bind(group.groupId, friend, []);
  await t.throwsAsync(give(group.groupId, deputy, asked - 1, friend, led), REVOKED, 'asked for before that');
});

test.serial('only what somebody holds can be held for another time', async (t) => {
  const [leader, deputy] = [await member(), await member()];
  const group = await made(leader.memberId);
  const led = [group.leader.positionId];
  await bind(group.groupId, deputy, led);
  const before = await tenuresOf(deputy);
  await bind(group.groupId, deputy, led, { prolongedIds: led });
  t.is(await tenuresOf(deputy), before + 1, 'it holds that for longer');
  // As one that goes, while its successor comes to hold the position for another time.
  for (const tenure of [{ shortens: true }, { prolongedIds: led }]) await bind(group.groupId, deputy, [], tenure);
  t.is(await tenuresOf(deputy), before + 1, 'it holds nothing');
});

test.serial('a position without permissions that policies name is given by nobody who came to hold it since', async (t) => {
  const binding = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.bind', 'here']);
  const named = grant(PositionKind.POSITION_KIND_UNSPECIFIED);
  const group = await made(undefined, ROOT, binding, named);
  await auth.role(`knows-${named.positionId}`, [
    `permit (principal in Musubi::Position::"${named.positionId}", action == Musubi::Action::"audit.list", resource);`,
  ]);
  const [one, friend] = [await member(), await member()];
  await bind(group.groupId, one, [binding.positionId]);
  await bind(group.groupId, friend, []);
  const asked = await tenuresOf(one);
  await bind(group.groupId, one, [binding.positionId, named.positionId]);
  await t.throwsAsync(give(group.groupId, one, asked, friend, [named.positionId]), REVOKED);
  await t.notThrowsAsync(give(group.groupId, one, await tenuresOf(one), friend, [named.positionId]), 'asked for again');
});

test.serial('who came to lead meanwhile takes nothing from leaders by what was said before', async (t) => {
  const [leader, deputy] = [await member(), await member()];
  const group = await made(leader.memberId);
  const asked = await tenuresOf(deputy);
  await bind(group.groupId, deputy, [group.leader.positionId]);
  const lessen = (since: number, tenure: Tenure | undefined = NO_TENURE) =>
    auth.steps.putPosition({
      ...operation(),
      groupId: group.groupId,
      position: { ...group.leader, permissions: group.leader.permissions.slice(0, -1) },
      tenure,
      permit: deputy.permit(group.groupId, 'group.update', since),
    });
  await t.throwsAsync(lessen(asked), REVOKED, 'that may end sooner than what others lead by');
  await t.notThrowsAsync(lessen(await tenuresOf(deputy)), 'asked for again');
});

test.serial('where nothing was said of terms what somebody came to hold meanwhile counts', async (t) => {
  const deputy = await member();
  const group = await made(undefined);
  const asked = await tenuresOf(deputy);
  await bind(group.groupId, deputy, [group.leader.positionId]);
  const put = auth.steps.putPosition({
    ...operation(),
    groupId: group.groupId,
    position: grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.update', 'here']),
    tenure: undefined,
    permit: deputy.permit(group.groupId, 'group.update', asked),
  });
  await t.notThrowsAsync(put, 'a new position, which nobody holds');
});

test.serial('who comes to lead in the place of one who leaves gives nothing by what was said before', async (t) => {
  await auth.role('leaves', ['permit (principal, action == Musubi::Action::"group.leave", resource);']);
  const [leader, deputy, friend] = [await member('leaves'), await member(), await member()];
  const group = await made(leader.memberId);
  const led = [group.leader.positionId];
  for (const one of [deputy, friend]) await bind(group.groupId, one, []);
  const asked = await tenuresOf(deputy);
  await auth.steps.changeStandings({
    ...operation(),
    groupId: group.groupId,
    changes: [
      { memberId: leader.memberId, isMember: false, positions: { positionIds: [] } },
      { memberId: deputy.memberId, positions: { positionIds: led } },
    ],
    tenure: { ...NO_TENURE, leaders: { memberIds: [deputy.memberId] } },
    permit: leader.permit(group.groupId, 'group.leave'),
  });
  await t.throwsAsync(give(group.groupId, deputy, asked, friend, led), REVOKED);
});

test.serial('what somebody comes to hold while a pivot looks does not count, either', async (t) => {
  const binding = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['position.bind', 'here']);
  const group = await made(undefined, ROOT, binding);
  const led = [group.leader.positionId];
  const [one, friend] = [await member(), await member()];
  await bind(group.groupId, one, [binding.positionId]);
  await bind(group.groupId, friend, []);
  const asked = await tenuresOf(one);
  const { sessions, store } = auth;
  const look = sessions.factsOfMember.bind(sessions);
  let leads: Promise<unknown> | undefined;
  // It is answered only after that pivot, which it waits for; in the store it is before.
  sessions.factsOfMember = async (...args) => {
    leads ??= bind(group.groupId, one, [binding.positionId, ...led]);
    while (!(await store.members.findOne({ _id: one.memberId, positionIds: led[0] ?? '' }))) await sleep(5);
    return await look(...args);
  };
  await t.throwsAsync(give(group.groupId, one, asked, friend, led), REVOKED);
  sessions.factsOfMember = look;
  await leads;
  await t.notThrowsAsync(give(group.groupId, one, await tenuresOf(one), friend, led), 'asked for again');
});

test.serial(
  'nobody comes to lead a group by moving it into one of its own of which the leaders may do nothing below',
  async (t) => {
    const changing = grant(PositionKind.POSITION_KIND_UNSPECIFIED, ['group.move', 'here'], ['position.update', 'here']);
    const [one, leader] = [await member(), await member()];
    const [group, own] = [await made(undefined, ROOT, changing), await made(one.memberId)];
    await bind(group.groupId, one, [changing.positionId]);
    await bind(group.groupId, leader, [group.leader.positionId]);
    const put = (groupId: string, { positionId }: Grant, action: string, ...permissions: [string, 'here'][]) =>
      auth.steps.putPosition({
        ...operation(),
        groupId,
        position: { ...grant(PositionKind.POSITION_KIND_LEADER, ...permissions), positionId },
        tenure: undefined,
        permit: one.permit(groupId, action),
      });
    const move = (by: Someone) =>
      auth.steps.moveGroup({
        ...{ ...operation(), groupId: group.groupId, parentId: own.groupId, endingIds: [] },
        permit: by.permit(group.groupId, 'group.move'),
      });
    await put(own.groupId, own.leader, 'group.update', ['group.create', 'here']);
    await t.throwsAsync(move(one), { code: 'EXCEEDS_OWN_PERMISSIONS' });
    const denied = { code: 'PERMISSION_DENIED' };
    await t.throwsAsync(
      put(group.groupId, group.leader, 'position.update'),
      denied,
      'which would leave them nothing but the name',
    );
    await bind(own.groupId, leader, [own.leader.positionId]);
    await t.notThrowsAsync(move(leader), 'who leads it');
  },
);
