import { randomUUID } from 'node:crypto';
import test from 'ava';
import type { Database } from '#platform/postgres/database.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import { Candidacy } from '#proto/musubi/query/v1/query.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { queryErasure } from './erasure.ts';
import { CREATED, memberEvent } from './events.fixture.ts';
import { candidacyEvent, groupEvent, membershipEvent } from './group-events.fixture.ts';
import { project } from './projector.ts';
import { listCandidacies, listCandidates } from './queries/candidates.ts';
import { listGroupMembers } from './queries/group-members.ts';
import { listGroups } from './queries/groups.ts';
import { newSearches } from './queries/searches.ts';
import { ALL, NOTHING, only } from './seen.fixture.ts';
import { openStore } from './store.ts';

// Who has asked to be let into a group, is invited, or was put out.

const { CANDIDACY_REQUESTED, CANDIDACY_INVITED, CANDIDACY_EXPELLED } = Candidacy;

const scratch = scratchDatabase('query_candidates');
let db: Database;
test.before(async () => {
  db = await openStore(scratch);
});
test.after.always(() => scratch.drop());

const searches = newSearches();
const UNTIL = new Date('2030-01-01T00:00:00Z');
const request = (message = '', declined: { declinedAt?: Date; declineReason?: string } = {}) => ({
  request: { requestedAt: CREATED, message, declinedAt: undefined, declineReason: '', ...declined },
});
const invitation = { invitation: { invitedAt: CREATED, inviterId: 'inviter', until: UNTIL } };
const expulsion = { expulsion: { expelledAt: CREATED, reason: 'Loud' } };

async function aGroup(name: string, state: Parameters<typeof groupEvent>[2] = {}): Promise<string> {
  const groupId = randomUUID();
  await project(db, [groupEvent(groupId, 1, { name, ...state })]);
  return groupId;
}
async function aMember(displayName: string): Promise<string> {
  const memberId = randomUUID();
  await project(db, [memberEvent(memberId, 1, { displayName })]);
  return memberId;
}
const FIRST = { pageSize: 0, pageToken: '', filter: '', orderBy: '' };
const candidates = (
  groupId: string,
  candidacy: Candidacy,
  given: { seen?: Condition | undefined } & Partial<typeof FIRST> = {},
) => listCandidates({ db, searches }, { memberId: 'm', groupId, candidacy, seen: ALL, ...FIRST, ...given });
const names = async (...asked: Parameters<typeof candidates>) =>
  (await candidates(...asked)).candidates.map(({ member }) => member?.displayName).join(' ');
const candidacies = async (
  memberId: string,
  candidacy: Candidacy,
  given: { seen?: Condition; groupId?: string } & Partial<typeof FIRST> = {},
) => (await listCandidacies(db, { memberId, candidacy, groupId: '', seen: ALL, ...FIRST, ...given })).candidacies;

test('who has asked and who is invited is listed by name, a page at a time; neither is in the group', async (t) => {
  const groupId = await aGroup('Kyoto');
  const [zoe, ann, bob, inside] = [await aMember('Zoë'), await aMember('ann'), await aMember('Bob'), await aMember('cy')];
  await project(db, [
    candidacyEvent(groupId, zoe, 1, request()),
    candidacyEvent(groupId, ann, 1, request('Please')),
    candidacyEvent(groupId, bob, 1, invitation),
    membershipEvent(groupId, inside, 1),
  ]);
  const { candidates: asked } = await candidates(groupId, CANDIDACY_REQUESTED);
  t.deepEqual(
    asked.map(({ member, request, invitation }) => [member?.memberId, request?.message, invitation]),
    [
      [ann, 'Please', undefined],
      [zoe, '', undefined],
    ],
  );
  t.like((await candidates(groupId, CANDIDACY_INVITED)).candidates, [
    { member: { memberId: bob }, ...invitation, request: undefined },
  ]);
  const members = { groupId, memberId: 'm', positionId: '', tag: '', ...FIRST, seen: ALL };
  t.deepEqual(
    (await listGroupMembers({ db, searches }, members)).members.map(({ member }) => member?.displayName),
    ['cy'],
  );
  const groupsOf = async (ofMemberId: string) => {
    const asked = { query: '', tag: '', ofMemberId, membersSeen: ALL, memberId: 'm', seen: ALL, ...FIRST };
    return (await listGroups({ db, searches: newSearches() }, asked)).groups.map(({ groupId }) => groupId);
  };
  t.deepEqual([await groupsOf(ann), await groupsOf(bob), await groupsOf(inside)], [[], [], [groupId]]);

  const first = await candidates(groupId, CANDIDACY_REQUESTED, { pageSize: 1 });
  await project(db, [candidacyEvent(groupId, await aMember('abe'), 1, request())]);
  const rest = { pageToken: first.nextPageToken };
  t.is(await names(groupId, CANDIDACY_REQUESTED, rest), 'Zoë', 'the cursor is stable');
  await t.throwsAsync(candidates(groupId, CANDIDACY_INVITED, rest), { code: 'PAGE_TOKEN_INVALID' });
  await t.throwsAsync(candidates(await aGroup('other'), CANDIDACY_REQUESTED, rest), { code: 'PAGE_TOKEN_INVALID' });
  for (const nobody of [randomUUID(), '\0', ''])
    await t.throwsAsync(candidates(nobody, CANDIDACY_REQUESTED), { code: 'GROUP_NOT_FOUND' });
});

test('those are listed that are seen, and on whom nobody has decided', async (t) => {
  const groupId = await aGroup('Nara');
  const [one, two, three] = [await aMember('one'), await aMember('two'), await aMember('three')];
  for (const id of [one, two, three]) await project(db, [candidacyEvent(groupId, id, 1, request())]);
  t.is(await names(groupId, CANDIDACY_REQUESTED, { seen: only(one, two) }), 'one two');
  for (const seen of [NOTHING, undefined]) t.is(await names(groupId, CANDIDACY_REQUESTED, { seen }), '');
  await project(db, [candidacyEvent(groupId, one, 2, request('', { declinedAt: CREATED, declineReason: 'full' }))]);
  await project(db, [membershipEvent(groupId, two, 2)]);
  t.is(await names(groupId, CANDIDACY_REQUESTED), 'three');
  await project(db, [candidacyEvent(groupId, one, 1, request()), candidacyEvent(groupId, three, 2, {})]);
  t.is(await names(groupId, CANDIDACY_REQUESTED), '', 'an old event brings nothing back');
  const four = await aMember('four');
  await project(db, [candidacyEvent(groupId, four, 1, request())]);
  t.is(await names(groupId, CANDIDACY_REQUESTED), 'four');
  await project(db, [memberEvent(four, 2, { status: 'PENDING' })]);
  t.is(await names(groupId, CANDIDACY_REQUESTED), '', 'who is not registered yet is in no list');
});

test('a member is shown what it is to groups, with the names of those only that are seen', async (t) => {
  const memberId = await aMember('Mika');
  const [asked, invited, expelled, hidden, inside] = (await Promise.all(
    ['a', 'b', 'c', 'd', 'e'].map((name) => aGroup(name)),
  )) as [string, string, string, string, string];
  await project(db, [
    candidacyEvent(asked, memberId, 1, request('Please', { declinedAt: CREATED, declineReason: 'full' })),
    candidacyEvent(invited, memberId, 1, { ...invitation, ...expulsion }),
    candidacyEvent(expelled, memberId, 1, expulsion),
    candidacyEvent(hidden, memberId, 1, expulsion),
    membershipEvent(inside, memberId, 1),
  ]);
  t.like(await candidacies(memberId, CANDIDACY_REQUESTED), [
    { groupId: asked, groupName: 'a', memberId, request: { message: 'Please', declineReason: 'full', declinedAt: CREATED } },
  ]);
  t.deepEqual(await candidacies(memberId, CANDIDACY_INVITED), [
    { groupId: invited, groupName: 'b', memberId, request: undefined, ...invitation, expulsion: undefined },
  ]);
  const seen = only(invited, expelled);
  const puts = await candidacies(memberId, CANDIDACY_EXPELLED, { seen });
  const namesOf = new Map([
    [invited, 'b'],
    [expelled, 'c'],
  ]);
  t.deepEqual(
    puts.map(({ groupId, groupName, expulsion }) => [groupId, groupName, expulsion?.reason]),
    [invited, expelled, hidden].sort().map((id) => [id, namesOf.get(id), 'Loud']),
  );
  t.is((await candidacies(memberId, CANDIDACY_EXPELLED, { groupId: hidden, seen }))[0]?.groupName, undefined);
  const page = { memberId, candidacy: CANDIDACY_EXPELLED, groupId: '', seen: ALL, ...FIRST, pageSize: 2 };
  const first = await listCandidacies(db, page);
  const second = await listCandidacies(db, { ...page, pageToken: first.nextPageToken });
  t.deepEqual([first.candidacies.length, second.candidacies.length, second.nextPageToken], [2, 1, '']);
  for (const nobody of [randomUUID(), '\0']) t.deepEqual(await candidacies(nobody, CANDIDACY_INVITED), []);
  await project(db, [membershipEvent(expelled, memberId, 2)]);
  t.false(
    (await candidacies(memberId, CANDIDACY_EXPELLED)).some(({ groupId }) => groupId === expelled),
    'it came in again',
  );
});

test('what a member said, and what was said to it, is gone when it is erased', async (t) => {
  const [memberId, groupId, other] = [await aMember('Gone'), await aGroup('f'), await aGroup('g')];
  await project(db, [candidacyEvent(groupId, memberId, 1, request('Please')), candidacyEvent(other, memberId, 1, expulsion)]);
  const { erase } = queryErasure(db, { told: async () => new Map(), forgetParked: async () => [] }, scratch.log);
  await erase([memberId]);
  for (const candidacy of [CANDIDACY_REQUESTED, CANDIDACY_INVITED, CANDIDACY_EXPELLED])
    t.deepEqual(await candidacies(memberId, candidacy), []);
});

test('they are filtered and ordered by what is shown of them', async (t) => {
  const later = (ms: number): Date => new Date(CREATED.getTime() + ms);
  const at = (ms: number): string => later(ms).toISOString();
  const groupId = await aGroup('Osaka');
  const [ann, bob, cyd] = [await aMember('ann'), await aMember('bob'), await aMember('cyd')];
  const asked = (ms: number) => ({ request: { ...request().request, requestedAt: later(ms) } });
  const invited = (ms: number, inviterId: string) => ({
    invitation: { ...invitation.invitation, invitedAt: later(ms), inviterId },
  });
  await project(db, [
    candidacyEvent(groupId, ann, 1, asked(3)),
    candidacyEvent(groupId, bob, 1, asked(1)),
    candidacyEvent(groupId, cyd, 1, asked(2)),
  ]);
  t.is(await names(groupId, CANDIDACY_REQUESTED, { orderBy: 'requestedAt' }), 'bob cyd ann');
  t.is(await names(groupId, CANDIDACY_REQUESTED, { orderBy: 'displayName desc' }), 'cyd bob ann');
  t.is(await names(groupId, CANDIDACY_REQUESTED, { filter: `requestedAt > "${at(1)}" AND displayName != "cyd"` }), 'ann');
  const byTime = { orderBy: 'requestedAt desc', pageSize: 2 };
  const { nextPageToken: pageToken } = await candidates(groupId, CANDIDACY_REQUESTED, byTime);
  t.is(await names(groupId, CANDIDACY_REQUESTED, { ...byTime, pageToken }), 'bob');
  for (const other of [{ orderBy: 'requestedAt' }, { filter: 'displayName = ann' }])
    await t.throwsAsync(candidates(groupId, CANDIDACY_REQUESTED, { ...byTime, ...other, pageToken }), {
      code: 'PAGE_TOKEN_INVALID',
    });
  await t.throwsAsync(candidates(groupId, CANDIDACY_REQUESTED, { orderBy: 'invitedAt' }), { code: 'INVALID_ARGUMENT' });

  const groups = [await aGroup('a'), await aGroup('b'), await aGroup('c')].sort() as [string, string, string];
  const declined = request('', { declinedAt: CREATED });
  await project(db, [
    candidacyEvent(groups[0], ann, 1, { request: { ...declined.request, requestedAt: later(9) } }),
    candidacyEvent(groups[1], ann, 1, invited(2, 'one')),
    candidacyEvent(groups[2], ann, 1, { ...invited(1, 'other'), expulsion: { ...expulsion.expulsion, expelledAt: later(5) } }),
  ]);
  const of = async (candidacy: Candidacy, given: Partial<typeof FIRST>) =>
    (await candidacies(ann, candidacy, given)).map((one) => one.groupId);
  t.deepEqual(await of(CANDIDACY_REQUESTED, { filter: 'state = declined' }), [groups[0]]);
  t.deepEqual(await of(CANDIDACY_REQUESTED, { filter: 'state = "pending"' }), [groupId]);
  t.deepEqual(await of(CANDIDACY_REQUESTED, { orderBy: 'requestedAt desc' }), [groups[0], groupId]);
  t.deepEqual(await of(CANDIDACY_INVITED, {}), [groups[1], groups[2]]);
  t.deepEqual(await of(CANDIDACY_INVITED, { orderBy: 'groupId desc' }), [groups[2], groups[1]]);
  t.deepEqual(await of(CANDIDACY_INVITED, { orderBy: 'invitedAt' }), [groups[2], groups[1]]);
  t.deepEqual(await of(CANDIDACY_INVITED, { filter: 'inviterId = "one"' }), [groups[1]]);
  t.deepEqual(await of(CANDIDACY_INVITED, { filter: `groupId = ${groups[1].toUpperCase()}` }), [groups[1]]);
  t.deepEqual(await of(CANDIDACY_EXPELLED, { filter: `expelledAt < "${at(5)}"` }), []);
  const paging = {
    memberId: ann,
    groupId: '',
    candidacy: CANDIDACY_INVITED,
    seen: ALL,
    ...FIRST,
    orderBy: 'expiresAt',
    pageSize: 1,
  };
  const first = await listCandidacies(db, paging);
  const second = await listCandidacies(db, { ...paging, pageToken: first.nextPageToken });
  t.deepEqual(
    [...first.candidacies, ...second.candidacies].map((one) => one.groupId),
    [groups[1], groups[2]],
    'then by ID',
  );
});
