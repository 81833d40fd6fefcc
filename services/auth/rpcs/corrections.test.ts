import test from 'ava';
import { openTestAuth, type TestAuth } from '../auth.fixture.ts';
import { groupsOf, NO_TENURE, operation } from '../groups/groups.fixture.ts';
import { NOTHING_ASKED } from '../question.ts';
import { correctStanding } from './corrections.ts';
import { putRootGroup } from './put-root-group.ts';

let auth: TestAuth;
let { member, made } = {} as ReturnType<typeof groupsOf>;
test.before(async () => {
  auth = await openTestAuth(process.env.MUSUBI_MONGODB_URL);
  ({ member, made } = groupsOf(auth));
  await putRootGroup(auth.store, []);
});
test.after.always(() => auth?.close());

test('who is put right to be bound to a position gives nothing by what was said of those that it held before', async (t) => {
  const [deputy, friend] = [await member(), await member()];
  const { groupId, leader } = await made(undefined);
  const bind = ({ memberId }: typeof friend, positionIds: string[], permit?: string) =>
    auth.steps.changeStandings({
      ...operation(),
      groupId,
      changes: [{ memberId, isMember: true, positions: { positionIds } }],
      tenure: NO_TENURE,
      permit,
    });
  for (const one of [deputy, friend]) await bind(one, []);
  const tenures = async () => (await auth.sessions.factsOfMember(deputy.memberId, NOTHING_ASKED))?.tenures;
  const before = await tenures();
  const { standings: version = 0 } = (await auth.store.members.findOne({ _id: deputy.memberId })) ?? {};
  const right = { groupId, memberId: deputy.memberId, version, positions: { positionIds: [leader.positionId] } };
  t.true(await correctStanding(auth.store, right));
  const give = (since?: number) => bind(friend, [leader.positionId], deputy.permit(groupId, 'position.bind', since));
  await t.throwsAsync(give(before), { code: 'PERMISSION_REVOKED' });
  await t.notThrowsAsync(give(await tenures()), 'asked for again');
  const now = await tenures();
  const { standings = 0 } = (await auth.store.members.findOne({ _id: deputy.memberId })) ?? {};
  t.true(await correctStanding(auth.store, { ...right, version: standings, isInvited: false }));
  t.is(await tenures(), now, 'it is bound to that already');
});
