import { randomUUID } from 'node:crypto';
import test from 'ava';
import { MongoClient } from 'mongodb';
import { until } from '#platform/until.fixture.ts';
import { address, admin, type Client, login, type Registered, register, unique } from '../client.ts';

// Many are added to a group by one job, whose adder may not do that any more half-way: from that acknowledgement on nobody comes in.

const wait = { prefer: 'wait=30' };
/** As many lines as one part has. */
const LINES_IN_PART = 100;
/** Members that there are, one in each part: the other lines are of nobody, which takes as long. */
const PARTS = 60;

let as: Client;
let members: string[];
let mongo: MongoClient;
test.before(async () => {
  [as, mongo] = [await admin(), await new MongoClient(address('MUSUBI_MONGODB_URL')).connect()];
  const registered: Registered[] = [];
  while (registered.length < PARTS) registered.push(...(await Promise.all(Array.from({ length: 10 }, () => register(as)))));
  members = registered.map(({ memberId }) => memberId);
});
test.after.always(() => mongo?.close());

/** Whom Auth has in a group, of those who are added. */
const inAuth = async (groupId: string): Promise<string[]> => {
  const found = mongo
    .db('musubi_auth')
    .collection<{ _id: string }>('members')
    .find({ _id: { $in: members }, groupIds: groupId });
  return (await found.toArray()).map(({ _id }) => _id).sort();
};

interface Adding {
  groupId: string;
  adder: Registered;
}

/** How the adder comes to be allowed it no more. */
const WAYS: Record<string, (adding: Adding) => Promise<{ status: number }>> = {
  'it leads the group no more': async ({ groupId, adder: { memberId } }) => {
    const { body } = await as.get(`/v1/groups/${groupId}/positions`);
    const { id } = body.items.find(({ kind }: { kind?: string }) => kind === 'leader');
    return await as.delete(`/v1/groups/${groupId}/positions/${id}/members/${memberId}`, wait);
  },
  'its position permits it no more': async ({ groupId }) => {
    const { body } = await as.get(`/v1/groups/${groupId}/positions`);
    const { id } = body.items.find(({ kind }: { kind?: string }) => kind === 'leader');
    return await as.patch(`/v1/groups/${groupId}/positions/${id}`, { permissions: [] }, wait);
  },
  'it is suspended': ({ adder: { memberId } }) => as.post(`/v1/members/${memberId}:suspend`, { reason: 'half-way' }, wait),
};

for (const [way, take] of Object.entries(WAYS))
  test.serial(`who adds many adds nobody from the acknowledgement on that ${way}`, async (t) => {
    const adder = await register(as, 'adder');
    const client = await login(adder.loginId, adder.password);
    const made = await client.post('/v1/groups', { name: unique('Taken'), visibility: 'invitation' }, wait);
    const groupId: string = made.body.id;
    const nobody = () => Array.from({ length: LINES_IN_PART - 1 }, () => randomUUID());
    const memberIds = members.flatMap((memberId) => [memberId, ...nobody()]);
    const { status, body } = await client.post(`/v1/groups/${groupId}/members:add`, { memberIds });
    t.is(status, 202);
    await until(async () => (await inAuth(groupId)).length > 0, 'the first is in it');
    const taken = await take({ groupId, adder });
    const acknowledged = await inAuth(groupId);
    t.true(taken.status < 300 && taken.status !== 202, `${taken.status}`);
    t.true(acknowledged.length < PARTS, 'it was taken away half-way');

    const job = await as.finished(body.jobId, 300);
    t.deepEqual(await inAuth(groupId), acknowledged);
    const added = acknowledged.length;
    t.like(job, { state: 'completed', result: { id: groupId, added, already: 0, refused: memberIds.length - added } });
    const outcomes = new Map<string, string>();
    for (let pageToken = ''; ; ) {
      const next = pageToken && `&pageToken=${encodeURIComponent(pageToken)}`;
      const { body: page } = await as.get(`/v1/jobs/${body.jobId}/lines?pageSize=100${next}`);
      for (const { memberId, outcome, error } of page.items) outcomes.set(memberId, error?.code ?? outcome);
      pageToken = page.nextPageToken ?? '';
      if (pageToken === '') break;
    }
    t.deepEqual(
      members.map((memberId) => outcomes.get(memberId)),
      members.map((memberId) => (acknowledged.includes(memberId) ? 'added' : 'PERMISSION_REVOKED')),
    );
    const { body: seen } = await as.get(`/v1/groups/${groupId}/members?pageSize=100`);
    const inIt: string[] = seen.items.map(({ id }: { id: string }) => id);
    t.deepEqual(inIt.filter((id) => id !== adder.memberId).sort(), acknowledged);
  });
