import test from 'ava';
import { type Answer, admin, type Client, login, register, unique } from '../client.ts';

// Of two that meet in a group each is done or refused with a code that says why, and neither is half done. Which of them comes first is not said.

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

async function make(as: Client, parentId = 'root'): Promise<string> {
  const made = await as.post('/v1/groups', { name: unique('Group'), parentId }, wait);
  if (made.status !== 201) throw new Error(`no group: ${made.status} ${JSON.stringify(made.body)}`);
  return made.body.id;
}

const member = (groupId: string, { memberId }: Someone): string => `/v1/groups/${groupId}/members/${memberId}`;
const idsOf = ({ body }: Answer): string[] => body.items.map(({ id }: { id: string }) => id);
const pathOf = async (as: Client, groupId: string): Promise<string[]> => idsOf(await as.get(`/v1/groups/${groupId}/ancestors`));
/** How each of two that are sent at the same time ends, and whichever way they are sent. */
const atOnce = async (round: number, one: () => Promise<Answer>, other: () => Promise<Answer>): Promise<[string, string]> => {
  const end = ({ status, body }: Answer): string => (status < 300 && status !== 202 ? 'done' : (body.code ?? String(status)));
  if (round % 2 === 0) return (await Promise.all([one(), other()])).map(end) as [string, string];
  const [second, first] = (await Promise.all([other(), one()])).map(end);
  return [first ?? '', second ?? ''];
};

test('of two moves that would together make a circle one is done, and the other is refused', async (t) => {
  const as = await admin();
  for (let round = 0; round < ROUNDS; round++) {
    // Each into what is below the other.
    const [a, b] = [await make(as), await make(as)];
    const [belowA, belowB] = [await make(as, a), await make(as, b)];
    const move = (id: string, parentId: string) => () => as.post(`/v1/groups/${id}:move`, { parentId }, wait);
    const [one, other] = await atOnce(round, move(a, belowB), move(b, belowA));
    t.deepEqual([one, other].sort(), ['GROUP_CYCLE', 'done']);
    const moved = one === 'done';
    t.deepEqual(await pathOf(as, belowA), moved ? ['root', b, belowB, a] : ['root', a]);
    t.deepEqual(await pathOf(as, belowB), moved ? ['root', b] : ['root', a, belowA, b]);
  }
});

test('a move into what is being deleted is refused, or its group goes with that', async (t) => {
  const as = await admin();
  for (let round = 0; round < ROUNDS; round++) {
    const [top, moved] = [await make(as), await make(as)];
    const [inner, below] = [await make(as, top), await make(as, moved)];
    const [deletion, move] = await atOnce(
      round,
      () => as.delete(`/v1/groups/${top}?cascade=true`, wait),
      () => as.post(`/v1/groups/${moved}:move`, { parentId: inner }, wait),
    );
    t.is(deletion, 'done');
    t.true(['done', 'GROUP_NOT_FOUND'].includes(move), move);
    for (const id of [top, inner]) t.is((await as.get(`/v1/groups/${id}`)).status, 404);
    for (const id of [moved, below]) t.is((await as.get(`/v1/groups/${id}`)).status, move === 'done' ? 404 : 200);
    if (move !== 'done') t.deepEqual(await pathOf(as, below), ['root', moved]);
  }
});

test('who joins a group while it is being deleted is refused, or is in nothing in the end', async (t) => {
  const as = await admin();
  const one = await someone(as);
  for (let round = 0; round < ROUNDS; round++) {
    const [top, other] = [await make(as), await make(as)];
    const inner = await make(as, top);
    const [deletion, join] = await atOnce(
      round,
      () => as.delete(`/v1/groups/${top}?cascade=true`, wait),
      () => one.client.put(member(inner, one), undefined, wait),
    );
    t.is(deletion, 'done');
    t.true(['done', 'GROUP_NOT_FOUND', 'PERMISSION_REVOKED'].includes(join), join);
    t.deepEqual(idsOf(await one.client.get(`/v1/members/${one.memberId}/groups`)), ['root']);
    t.is((await one.client.get(`/v1/groups/${inner}`)).status, 404);
    t.is((await as.delete(`/v1/groups/${other}`, wait)).status, 204);
  }
});

test('who is bound to a position while it leaves has left, and holds nothing, also once it is in the group again', async (t) => {
  const as = await admin();
  const [leader, one] = [await someone(as), await someone(as)];
  const group = await make(leader.client);
  const permissions = [{ action: 'group.update', reach: 'here' }];
  const { body } = await leader.client.post(`/v1/groups/${group}/positions`, { name: 'Keeper', permissions }, wait);
  const mayUpdate = async (): Promise<boolean> =>
    (await one.client.patch(`/v1/groups/${group}`, { description: 'by a position' }, wait)).status === 200;
  for (let round = 0; round < ROUNDS; round++) {
    t.is((await one.client.put(member(group, one), undefined, wait)).status, 204);
    t.false(await mayUpdate());
    const [bound, left] = await atOnce(
      round,
      () => leader.client.put(`/v1/groups/${group}/positions/${body.id}/members/${one.memberId}`, undefined, wait),
      () => one.client.delete(member(group, one), wait),
    );
    t.is(left, 'done');
    t.true(['done', 'NOT_MEMBER'].includes(bound), bound);
    t.deepEqual(idsOf(await leader.client.get(`/v1/groups/${group}/members`)), [leader.memberId]);
    t.deepEqual(idsOf(await leader.client.get(`/v1/groups/${group}/members?positionId=${body.id}`)), []);
    t.false(await mayUpdate());
  }
  t.is((await leader.client.delete(`/v1/groups/${group}/positions/${body.id}`, wait)).status, 204, 'nobody is bound to it');
});

test('of two leaders who add the same member at once one adds it, and the other is told that it is in the group', async (t) => {
  const as = await admin();
  const [one, other, added] = [await someone(as), await someone(as), await someone(as)];
  for (let round = 0; round < ROUNDS; round++) {
    const group = await make(one.client);
    const { body } = await one.client.get(`/v1/groups/${group}/positions`);
    const leading = body.items.find(({ kind }: { kind?: string }) => kind === 'leader').id;
    t.is((await one.client.put(member(group, other), undefined, wait)).status, 204);
    const bind = `/v1/groups/${group}/positions/${leading}/members/${other.memberId}`;
    t.is((await one.client.put(bind, undefined, wait)).status, 204);
    const add =
      ({ client }: Someone) =>
      () =>
        client.put(member(group, added), undefined, wait);
    t.deepEqual((await atOnce(round, add(one), add(other))).sort(), ['ALREADY_MEMBER', 'done']);
    const members = idsOf(await one.client.get(`/v1/groups/${group}/members`));
    t.deepEqual(members.sort(), [one, other, added].map(({ memberId }) => memberId).sort());
    t.true(idsOf(await added.client.get(`/v1/members/${added.memberId}/groups?pageSize=100`)).includes(group));
  }
});
