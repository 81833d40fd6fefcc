import { randomUUID } from 'node:crypto';
import test from 'ava';
import { until } from '../../platform/until.fixture.ts';
import { type Answer, admin, type Client, login, register, unique } from '../client.ts';

// How members come into groups that are not open, end to end: they ask, or are invited; and why one was put out, it reads.

const wait = { prefer: 'wait=30' };
const ROUNDS = 6;

interface Someone {
  memberId: string;
  client: Client;
}

async function someone(as: Client): Promise<Someone> {
  const { memberId, loginId, password } = await register(as);
  return { memberId, client: await login(loginId, password) };
}

async function make(as: Client, visibility: string): Promise<string> {
  const made = await as.post('/v1/groups', { name: unique('Group'), visibility }, wait);
  if (made.status !== 201) throw new Error(`no group: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

const idsOf = ({ body }: Answer): string[] => body.items.map(({ id }: { id: string }) => id);
const groupIdsOf = ({ body }: Answer): string[] => body.items.map(({ groupId }: { groupId: string }) => groupId);
const refused = (status: number, code: string) => ({ status, body: { code } });

const request = ({ client }: Someone, groupId: string, body: object = {}) =>
  client.post(`/v1/groups/${groupId}/join-requests`, body, wait);
const decide = ({ client }: Someone, groupId: string, { memberId }: Someone, how: 'approve' | 'decline', body?: object) =>
  client.post(`/v1/groups/${groupId}/join-requests/${memberId}:${how}`, how === 'approve' ? undefined : (body ?? {}), wait);
const withdraw = ({ client }: Someone, groupId: string, { memberId }: Someone) =>
  client.delete(`/v1/groups/${groupId}/join-requests/${memberId}`, wait);
const invite = ({ client }: Someone, groupId: string, { memberId }: Someone, more: object = {}) =>
  client.post(`/v1/groups/${groupId}/invitations`, { memberId, ...more }, wait);
const answer = ({ client, memberId }: Someone, groupId: string, how: 'accept' | 'decline') =>
  client.post(`/v1/groups/${groupId}/invitations/${memberId}:${how}`, undefined, wait);
const takeBack = ({ client }: Someone, groupId: string, { memberId }: Someone) =>
  client.delete(`/v1/groups/${groupId}/invitations/${memberId}`, wait);
const isIn = async ({ client }: Someone, groupId: string, { memberId }: Someone): Promise<boolean> =>
  idsOf(await client.get(`/v1/groups/${groupId}/members?pageSize=100`)).includes(memberId);

test('a member asks to be let in; who may decide sees that, and lets it in, or says why not', async (t) => {
  const as = await admin();
  const [leader, one, two, other] = [await someone(as), await someone(as), await someone(as), await someone(as)];
  const groupId = await make(leader.client, 'request');
  const asked = await request(one, groupId, { message: 'We work together' });
  t.like(asked, { status: 201, body: { groupId, memberId: one.memberId, message: 'We work together', state: 'pending' } });
  t.like(await request(one, groupId), refused(409, 'ALREADY_REQUESTED'));
  t.is((await request(two, groupId)).status, 201);
  const list = await leader.client.get(`/v1/groups/${groupId}/join-requests`);
  t.deepEqual(idsOf(list).sort(), [one.memberId, two.memberId].sort());
  t.is(list.body.items.find(({ id }: { id: string }) => id === one.memberId).message, 'We work together');
  t.false(await isIn(leader, groupId, one), 'who has asked is not in it');
  t.false(idsOf(await one.client.get(`/v1/members/${one.memberId}/groups`)).includes(groupId));
  const first = await leader.client.get(`/v1/groups/${groupId}/join-requests?pageSize=1`);
  const second = await leader.client.get(`/v1/groups/${groupId}/join-requests?pageSize=1&pageToken=${first.body.nextPageToken}`);
  t.deepEqual([...idsOf(first), ...idsOf(second)], idsOf(list));
  for (const { client } of [one, other]) {
    t.is((await client.get(`/v1/groups/${groupId}/join-requests`)).status, 403);
    t.is((await client.post(`/v1/groups/${groupId}/join-requests/${two.memberId}:approve`, undefined)).status, 403);
  }
  t.like(await withdraw(leader, groupId, one), refused(403, 'PERMISSION_DENIED'), 'only itself takes it back');

  t.is((await decide(leader, groupId, one, 'approve')).status, 204);
  t.true(await isIn(one, groupId, one));
  t.like(await decide(leader, groupId, one, 'approve'), refused(409, 'ALREADY_MEMBER'));
  t.like(await request(one, groupId), refused(409, 'ALREADY_MEMBER'));

  t.is((await decide(leader, groupId, two, 'decline', { reason: 'Another project' })).status, 204);
  t.like(await decide(leader, groupId, two, 'approve'), refused(404, 'JOIN_REQUEST_NOT_FOUND'));
  t.deepEqual(idsOf(await leader.client.get(`/v1/groups/${groupId}/join-requests`)), []);
  const own = await two.client.get(`/v1/members/${two.memberId}/join-requests`);
  t.like(own.body.items[0], { groupId, state: 'declined', reason: 'Another project' });
  t.like(await other.client.get(`/v1/members/${two.memberId}/join-requests`), refused(403, 'PERMISSION_DENIED'));
  t.deepEqual(groupIdsOf(await as.get(`/v1/members/${two.memberId}/join-requests`)), [groupId]);
  t.is((await request(two, groupId)).status, 201);
  t.is((await withdraw(two, groupId, two)).status, 204);
  t.deepEqual(groupIdsOf(await two.client.get(`/v1/members/${two.memberId}/join-requests`)), []);
  t.like(await withdraw(two, groupId, two), refused(404, 'JOIN_REQUEST_NOT_FOUND'));
  t.like(await request(two, await make(leader.client, 'open')), refused(409, 'GROUP_NOT_ON_REQUEST'));
});

test('who is invited sees the group until it accepts, declines, or the invitation is taken back; others see nothing of it', async (t) => {
  const as = await admin();
  const [leader, guest, other] = [await someone(as), await someone(as), await someone(as)];
  const groupId = await make(leader.client, 'invitation');
  const path = `/v1/groups/${groupId}`;
  const sees = async ({ client }: Someone): Promise<boolean> => (await client.get(path)).status === 200;
  t.false(await sees(guest));
  const invited = await invite(leader, groupId, guest);
  t.like(invited, { status: 201, body: { groupId, memberId: guest.memberId, inviterId: leader.memberId } });
  const days = (Date.parse(invited.body.expiresAt) - Date.parse(invited.body.invitedAt)) / 86_400_000;
  t.true(days > 13.9 && days < 14.1, `${days} days`);
  t.true(await sees(guest));
  t.false(await sees(other));
  // And nothing more.
  for (const more of ['/members', '/positions', '/invitations', '/join-requests'])
    t.is((await guest.client.get(`${path}${more}`)).status, 403, more);
  t.is((await guest.client.patch(path, { description: 'x' })).status, 403);
  t.deepEqual(idsOf(await leader.client.get(`${path}/invitations`)), [guest.memberId]);
  t.deepEqual(groupIdsOf(await guest.client.get(`/v1/members/${guest.memberId}/invitations`)), [groupId]);
  t.like(await invite(leader, groupId, guest), refused(409, 'ALREADY_INVITED'));
  t.like(await request(guest, groupId), refused(409, 'GROUP_NOT_ON_REQUEST'));
  // Hidden and missing look alike.
  for (const id of [groupId, randomUUID()]) {
    t.like(await other.client.post(`/v1/groups/${id}/join-requests`, {}), refused(404, 'GROUP_NOT_FOUND'));
    t.like(
      await other.client.post(`/v1/groups/${id}/invitations`, { memberId: other.memberId }),
      refused(404, 'GROUP_NOT_FOUND'),
    );
    t.like(await answer(other, id, 'accept'), refused(404, 'GROUP_NOT_FOUND'));
    t.like(await withdraw(other, id, other), refused(404, 'JOIN_REQUEST_NOT_FOUND'));
    for (const list of ['join-requests', 'invitations'])
      t.like(await other.client.get(`/v1/groups/${id}/${list}`), refused(404, 'GROUP_NOT_FOUND'));
  }
  t.is((await takeBack(guest, groupId, guest)).status, 403, 'it declines');

  t.is((await answer(guest, groupId, 'decline')).status, 204);
  t.false(await sees(guest));
  t.is((await invite(leader, groupId, guest)).status, 201);
  t.is((await takeBack(leader, groupId, guest)).status, 204);
  t.false(await sees(guest));
  t.like(await answer(guest, groupId, 'accept'), refused(404, 'GROUP_NOT_FOUND'));
  t.like(await takeBack(leader, groupId, guest), refused(404, 'INVITATION_NOT_FOUND'));
  t.is((await invite(leader, groupId, guest)).status, 201);
  t.is((await answer(guest, groupId, 'accept')).status, 204);
  t.true(await isIn(guest, groupId, guest));
  t.deepEqual(groupIdsOf(await guest.client.get(`/v1/members/${guest.memberId}/invitations`)), []);
  t.like(await invite(leader, groupId, guest), refused(409, 'ALREADY_MEMBER'));
  const past = { expiresAt: '2020-01-01T00:00:00Z' };
  t.like(await invite(leader, groupId, other, past), { status: 400, body: { errors: [{ in: 'body', field: 'expiresAt' }] } });
  t.like(await invite(leader, groupId, { ...other, memberId: randomUUID() }), refused(404, 'MEMBER_NOT_FOUND'));
  t.like(await invite({ ...leader, client: as }, 'root', other), refused(409, 'ROOT_GROUP'));
});

test('an invitation ends by itself when its time is over, and another one in its place stays', async (t) => {
  const as = await admin();
  const [leader, guest] = [await someone(as), await someone(as)];
  const [short, again] = [await make(leader.client, 'invitation'), await make(leader.client, 'invitation')];
  const soon = () => ({ expiresAt: new Date(Date.now() + 10_000).toISOString() });
  t.is((await invite(leader, short, guest, soon())).status, 201);
  t.is((await guest.client.get(`/v1/groups/${short}`)).status, 200);
  t.is((await invite(leader, again, guest, soon())).status, 201);
  t.is((await takeBack(leader, again, guest)).status, 204);
  t.is((await invite(leader, again, guest)).status, 201);
  const isSeen = async (): Promise<boolean> => (await guest.client.get(`/v1/groups/${short}`)).status === 200;
  await until(async () => !(await isSeen()), 'the invitation is over');
  const invited = async () => idsOf(await leader.client.get(`/v1/groups/${short}/invitations`));
  await until(async () => (await invited()).length === 0, 'it is listed no more');
  t.deepEqual(groupIdsOf(await guest.client.get(`/v1/members/${guest.memberId}/invitations`)), [again]);
  t.is((await answer(guest, again, 'accept')).status, 204);
});

test('nobody brings in by an invitation or an approval what it does not hold there itself, and nobody lets itself in', async (t) => {
  const as = await admin();
  const [leader, helper, guest] = [await someone(as), await someone(as), await someone(as)];
  const top = await make(leader.client, 'request');
  t.is((await request(helper, top)).status, 201);
  t.is((await decide(leader, top, helper, 'approve')).status, 204);
  const permissions = ['group.read', 'group.invite-member', 'group.approve-request'].map((action) => ({
    action,
    reach: 'subtree',
  }));
  const { body: position } = await leader.client.post(`/v1/groups/${top}/positions`, { name: 'Doorkeeper', permissions }, wait);
  const bound = `/v1/groups/${top}/positions/${position.id}/members/${helper.memberId}`;
  t.is((await leader.client.put(bound, undefined, wait)).status, 204);
  const below = await leader.client.post('/v1/groups', { name: unique('Group'), parentId: top, visibility: 'request' }, wait);
  const inner = below.body.id;
  t.is((await request(guest, inner)).status, 201);
  t.is((await request(helper, inner)).status, 201);
  for (const whom of [guest, helper])
    t.like(await decide(helper, inner, whom, 'approve'), refused(403, 'EXCEEDS_OWN_PERMISSIONS'));
  t.is((await withdraw(helper, inner, helper)).status, 204);
  for (const whom of [helper, await someone(as)])
    t.like(await invite(helper, inner, whom), refused(403, 'EXCEEDS_OWN_PERMISSIONS'));
  t.is((await invite(helper, top, await someone(as))).status, 201, 'where it is a member, it holds what members hold');
  t.is((await decide(leader, inner, guest, 'approve')).status, 204);
});

test('who was put out reads why, also of a group that it does not see any more, until it comes in again', async (t) => {
  const as = await admin();
  const [leader, one, other] = [await someone(as), await someone(as), await someone(as)];
  const [hidden, seen] = [await make(leader.client, 'invitation'), await make(leader.client, 'open')];
  const expelled = `/v1/members/${one.memberId}/expulsions`;
  for (const groupId of [hidden, seen]) {
    t.is((await leader.client.put(`/v1/groups/${groupId}/members/${one.memberId}`, undefined, wait)).status, 204);
    const { status } = await leader.client.post(
      `/v1/groups/${groupId}/members/${one.memberId}:expel`,
      { reason: `out of ${groupId}` },
      wait,
    );
    t.is(status, 204);
  }
  const items = (await one.client.get(expelled)).body.items as { groupId: string; reason: string; groupName?: string }[];
  t.deepEqual(
    items.map(({ groupId, reason }) => [groupId, reason]),
    [hidden, seen].sort().map((groupId) => [groupId, `out of ${groupId}`]),
  );
  const named = items.filter(({ groupName }) => groupName !== undefined).map(({ groupId }) => groupId);
  t.deepEqual(named, [seen], 'of what it does not see it reads no name');
  t.is((await as.get(expelled)).body.items.length, 2);
  for (const { client } of [other, leader]) t.like(await client.get(expelled), refused(403, 'PERMISSION_DENIED'));
  t.like(await as.get(`/v1/members/${randomUUID()}/expulsions`), refused(404, 'MEMBER_NOT_FOUND'));
  t.is((await one.client.put(`/v1/groups/${seen}/members/${one.memberId}`, undefined, wait)).status, 204);
  t.deepEqual(groupIdsOf(await one.client.get(expelled)), [hidden]);
  t.is((await as.delete(`/v1/groups/${hidden}`, wait)).status, 204);
  t.deepEqual(groupIdsOf(await one.client.get(expelled)), []);
});

test('a group takes its requests and invitations with it, and a member that is deleted its own', async (t) => {
  const as = await admin();
  const [leader, asking, guest] = [await someone(as), await someone(as), await someone(as)];
  const [groupId, stays] = [await make(leader.client, 'request'), await make(leader.client, 'request')];
  for (const id of [groupId, stays]) {
    t.is((await request(asking, id)).status, 201);
    t.is((await invite(leader, id, guest)).status, 201);
  }
  t.is((await leader.client.delete(`/v1/groups/${groupId}`, wait)).status, 204);
  t.deepEqual(groupIdsOf(await asking.client.get(`/v1/members/${asking.memberId}/join-requests`)), [stays]);
  t.deepEqual(groupIdsOf(await guest.client.get(`/v1/members/${guest.memberId}/invitations`)), [stays]);
  for (const { memberId } of [asking, guest]) t.is((await as.delete(`/v1/members/${memberId}`, wait)).status, 204);
  t.like(await decide(leader, stays, asking, 'approve'), refused(409, 'MEMBER_DELETING'));
  for (const list of ['join-requests', 'invitations'])
    t.deepEqual(idsOf(await leader.client.get(`/v1/groups/${stays}/${list}`)), []);
  t.like(await invite(leader, stays, guest), refused(404, 'MEMBER_NOT_FOUND'));
});

test('of two that meet one is done, and the other is told: approve and decline, accept and withdraw, accept and the end, request and the end of the group', async (t) => {
  const as = await admin();
  const [leader, one] = [await someone(as), await someone(as)];
  const codes = (...answers: Answer[]) => answers.map(({ status, body }) => (status < 300 ? 'done' : body.code));
  for (let round = 0; round < ROUNDS; round++) {
    const asked = await make(leader.client, 'request');
    t.is((await request(one, asked)).status, 201);
    const [approved, declined] = codes(
      ...(await Promise.all([decide(leader, asked, one, 'approve'), decide({ ...leader, client: as }, asked, one, 'decline')])),
    );
    t.true(
      (approved === 'done' && declined === 'JOIN_REQUEST_NOT_FOUND') ||
        (approved === 'JOIN_REQUEST_NOT_FOUND' && declined === 'done'),
      `${approved} ${declined}`,
    );
    t.is(await isIn(leader, asked, one), approved === 'done');

    const closed = await make(leader.client, 'invitation');
    t.is((await invite(leader, closed, one)).status, 201);
    const [accepted, withdrawn] = codes(...(await Promise.all([answer(one, closed, 'accept'), takeBack(leader, closed, one)])));
    const late = ['INVITATION_NOT_FOUND', 'GROUP_NOT_FOUND', 'PERMISSION_REVOKED'];
    t.true(
      (accepted === 'done' && withdrawn === 'INVITATION_NOT_FOUND') || (late.includes(accepted) && withdrawn === 'done'),
      `${accepted} ${withdrawn}`,
    );
    t.is(await isIn(leader, closed, one), accepted === 'done');
    t.is((await one.client.get(`/v1/groups/${closed}`)).status, accepted === 'done' ? 200 : 404);

    const ending = await make(leader.client, 'invitation');
    const end = Date.now() + 2_000;
    // One that has ended by the time it is answered is shown no more.
    t.true([201, 202].includes((await invite(leader, ending, one, { expiresAt: new Date(end).toISOString() })).status));
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, end - Date.now() - 60 + 20 * round)));
    const [inTime] = codes(await answer(one, ending, 'accept'));
    t.true(inTime === 'done' || late.includes(inTime), inTime);
    const isOver = async () => (await one.client.get(`/v1/groups/${ending}`)).status === 404;
    if (inTime === 'done') t.true(await isIn(one, ending, one), 'what is accepted in time holds');
    else await until(isOver, 'the invitation is over');

    const going = await make(leader.client, 'request');
    const [requested, deleted] = codes(
      ...(await Promise.all([request(one, going), leader.client.delete(`/v1/groups/${going}`, wait)])),
    );
    t.is(deleted, 'done');
    t.true(['done', 'GROUP_NOT_FOUND', 'PERMISSION_REVOKED', 'GROUP_BUSY'].includes(requested), requested);
    t.false(groupIdsOf(await one.client.get(`/v1/members/${one.memberId}/join-requests`)).includes(going));
  }
});
