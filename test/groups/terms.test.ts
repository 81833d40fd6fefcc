import { setTimeout as sleep } from 'node:timers/promises';
import { Connection, Client as TemporalClient, type WorkflowHandle } from '@temporalio/client';
import test from 'ava';
import { until } from '#platform/until.fixture.ts';
import { address, admin, type Client, login, register, unique } from '../client.ts';

// Positions that end, end to end.

const wait = { prefer: 'wait=30' };

let temporal: TemporalClient;
test.before(async () => {
  temporal = new TemporalClient({ connection: await Connection.connect({ address: address('MUSUBI_TEMPORAL_ADDRESS') }) });
});
test.after.always(() => temporal?.connection.close());

const later = (ms: number): string => new Date(Date.now() + ms).toISOString();
const DAY = 86_400_000;

/** A group that one member leads, another member, and a position by which that one may change the group. */
async function ground() {
  const as = await admin();
  const someone = async (): Promise<{ memberId: string; client: Client }> => {
    const { memberId, loginId, password } = await register(as);
    return { memberId, client: await login(loginId, password) };
  };
  const [leader, member] = [await someone(), await someone()];
  const groupId: string = (await leader.client.post('/v1/groups', { name: unique('Group') }, wait)).body.id;
  const path = `/v1/groups/${groupId}`;
  await member.client.put(`${path}/members/${member.memberId}`, undefined, wait);
  const permissions = [{ action: 'group.update', reach: 'here' }];
  const made = await leader.client.post(`${path}/positions`, { name: unique('Editor'), permissions }, wait);
  const positionId: string = made.body.id;
  const at = (whom: { memberId: string }, id = positionId): string => `${path}/positions/${id}/members/${whom.memberId}`;
  return {
    as,
    groupId,
    path,
    leader,
    member,
    positionId,
    bind: (body?: object) => leader.client.put(at(member), body, wait),
    unbind: () => leader.client.delete(at(member), wait),
    at,
    change: (client: Client) => client.patch(path, { description: unique('changed') }, wait),
    /** What the member is bound to, as queries show it. */
    bound: async (): Promise<{ positionId: string; until?: string }[]> => {
      const { body } = await leader.client.get(`${path}/members`);
      return body.items.find(({ id }: { id: string }) => id === member.memberId)?.positions ?? [];
    },
    term: temporal.workflow.getHandle(`term/position/${groupId}/${member.memberId}/${positionId}`),
  };
}

const isRunning = async (term: WorkflowHandle): Promise<boolean> => (await term.describe()).status.name === 'RUNNING';
const detailsOf = async (term: WorkflowHandle): Promise<string> =>
  (await term.query<{ currentDetails: string }>('__temporal_workflow_metadata')).currentDetails;

test('who is bound until a moment may do until then what the position permits, and no longer', async (t) => {
  const { as, groupId, bind, bound, change, member, positionId, term } = await ground();
  const ends = later(15_000);
  t.is((await bind({ until: ends })).status, 204);
  t.like(await bound(), [{ positionId, until: ends }]);
  t.is((await change(member.client)).status, 200);
  await until(async () => (await bound()).length === 0);
  t.true(Date.now() >= Date.parse(ends));
  t.is((await change(member.client)).status, 403);
  await until(async () => !(await isRunning(term)));
  t.is((await term.describe()).status.name, 'COMPLETED');
  // What the system did is in the audit.
  const isTold = async (): Promise<boolean> => {
    const { body } = await as.get('/v1/audit-events?action=position.end-term&pageSize=100');
    return JSON.stringify(body.items).includes(groupId);
  };
  await until(isTold);
});

test('a running term is prolonged by binding again, which the Web UI shows, and called off by letting go', async (t) => {
  const { bind, unbind, bound, member, positionId, groupId, term } = await ground();
  await bind({ until: later(10_000) });
  const { runId } = await term.describe();
  const ends = later(30 * DAY);
  t.is((await bind({ until: ends })).status, 204);
  t.is((await term.describe()).runId, runId, 'the one that runs was updated');
  t.true((await detailsOf(term)).startsWith(`It ends at ${ends}, by \`position.end-term\`.`), await detailsOf(term));
  const description = await term.describe();
  t.true((await description.staticSummary())?.includes(member.memberId));
  const attributes = JSON.stringify(description.typedSearchAttributes.getAll());
  for (const value of ['position.end-term', member.memberId, groupId]) t.true(attributes.includes(value), attributes);
  await sleep(11_000);
  t.like(await bound(), [{ positionId, until: ends }]);

  t.is((await bind()).status, 204);
  t.is((await bound())[0]?.until, undefined, 'without end');
  await until(async () => !(await isRunning(term)));
  await bind({ until: ends });
  t.true(await isRunning(term));
  t.is((await unbind()).status, 204);
  await until(async () => !(await isRunning(term)));
});

test('leaving, and being put out, call off what would have ended', async (t) => {
  const { bind, path, leader, member, term } = await ground();
  const there = `${path}/members/${member.memberId}`;
  await bind({ until: later(DAY) });
  t.is((await member.client.delete(there, wait)).status, 204);
  await until(async () => !(await isRunning(term)));
  t.is((await leader.client.put(there, undefined, wait)).status, 204);
  await bind({ until: later(DAY) });
  t.true(await isRunning(term));
  t.is((await leader.client.post(`${there}:expel`, { reason: 'it is over' }, wait)).status, 204);
  await until(async () => !(await isRunning(term)));
});

test('the last one who leads goes, too, and an administrator still leads what is above', async (t) => {
  const { as, path, leader, at, change } = await ground();
  const { body } = await leader.client.get(`${path}/positions`);
  const leading: string = body.items.find(({ kind }: { kind: string }) => kind === 'leader').id;
  t.is((await as.put(at(leader, leading), { until: later(3_000) }, wait)).status, 204);
  await until(async () => (await change(leader.client)).status === 403);
  t.is((await change(as)).status, 200);
});

test('a timer that Temporal has lost is set again before it matters, and one of what is gone does nothing', async (t) => {
  const one = await ground();
  await one.bind({ until: later(20_000) });
  await one.term.terminate('lost, says the test');
  // Its group goes before it ends.
  const other = await ground();
  await other.bind({ until: later(5_000) });
  t.is((await other.as.delete(other.path, wait)).status, 204);
  await temporal.schedule.getHandle('upkeep.terms').trigger();
  await until(async () => (await one.bound()).length === 0);
  t.is((await one.change(one.member.client)).status, 403);
  await until(async () => !(await isRunning(other.term)));
  t.is((await other.term.describe()).status.name, 'COMPLETED', 'it has ended quietly');
});

test('who leads by a term has nothing by it for longer: neither by another term, nor by a position that it holds without end', async (t) => {
  const { as, path, leader, member, at, change, bind, positionId } = await ground();
  const { body } = await leader.client.get(`${path}/positions`);
  const leading: string = body.items.find(({ kind }: { kind: string }) => kind === 'leader').id;
  const { body: made } = await leader.client.post(`${path}/positions`, { name: unique('Adviser'), permissions: [] }, wait);
  t.is((await leader.client.put(at(member, made.id), undefined, wait)).status, 204);
  t.is((await leader.client.put(at(member, leading), { until: later(DAY) }, wait)).status, 204);
  const permit = (client: Client, id: string, action = 'group.update') =>
    client.patch(`${path}/positions/${id}`, { permissions: [{ action, reach: 'here' }] }, wait);
  t.is((await change(member.client)).status, 200, 'it leads');
  const EXCEEDS = { status: 403, body: { code: 'EXCEEDS_OWN_PERMISSIONS' } };
  t.like(await permit(member.client, made.id), EXCEEDS);
  t.like(await member.client.put(at(member, leading), undefined, wait), EXCEEDS);
  const ofAll: string = body.items.find(({ kind }: { kind: string }) => kind === 'member').id;
  t.like(await permit(member.client, ofAll), EXCEEDS, 'which it holds as all do');
  // What nobody holds for longer than it, it changes as it likes.
  t.is((await permit(member.client, positionId, 'group.archive')).status, 200);
  t.is((await bind({ until: later(DAY / 2) })).status, 204);
  t.is((await permit(member.client, positionId, 'group.restore')).status, 200);
  t.is((await permit(leader.client, made.id)).status, 200, 'who leads without end');
  t.is((await permit(as, made.id, 'group.move')).status, 200);
});

test('who leads by a term does not lead for longer by moving the group, or one in it, into one of its own', async (t) => {
  const { path, groupId, leader, member, at, change } = await ground();
  const { body } = await leader.client.get(`${path}/positions`);
  const leading: string = body.items.find(({ kind }: { kind: string }) => kind === 'leader').id;
  t.is((await leader.client.put(at(member, leading), { until: later(DAY) }, wait)).status, 204);
  const make = async (client: Client, parentId: string): Promise<string> =>
    (await client.post('/v1/groups', { name: unique('Group'), parentId }, wait)).body.id;
  const [below, own] = [await make(leader.client, groupId), await make(member.client, 'root')];
  const move = (client: Client, id: string, parentId: string) => client.post(`/v1/groups/${id}:move`, { parentId }, wait);
  for (const id of [groupId, below])
    t.like(await move(member.client, id, own), { status: 403, body: { code: 'EXCEEDS_OWN_PERMISSIONS' } });
  t.is((await change(member.client)).status, 200, 'until then it leads');
  t.is((await leader.client.put(at(member, leading), undefined, wait)).status, 204);
  t.is((await move(member.client, below, own)).status, 200, 'who leads without end');
});

test('what is no term is refused by its field', async (t) => {
  const { path, leader, member, bind, bound, at } = await ground();
  for (const wrong of [later(-1_000), later(11 * 366 * DAY), 'tomorrow', '2027-02-30T00:00:00Z', 7])
    t.like(await bind({ until: wrong }), { status: 400, body: { errors: [{ in: 'body', field: 'until' }] } }, `${wrong}`);
  t.deepEqual(await bound(), []);
  const { body } = await leader.client.get(`${path}/positions`);
  const ofAll: string = body.items.find(({ kind }: { kind: string }) => kind === 'member').id;
  const refused = await leader.client.put(at(member, ofAll), { until: later(DAY) }, wait);
  t.like(refused, { status: 409, body: { code: 'BUILT_IN' } });
});
