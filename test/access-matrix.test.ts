import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { Route } from '../gateway/http/route.ts';
import { allRoutes } from '../gateway/routes/index.ts';
import {
  ASKERS,
  accessDocument,
  bodyOf,
  FRAMES,
  frameAllows,
  kindsOf,
  linesOf,
  namesItself,
  routeAllows,
  type Whose,
  whoseOf,
  whoseOfTopics,
} from './access-table.ts';
import { type Answer, admin, Client, login, type Registered, register, unique } from './client.ts';
import { Socket } from './socket.ts';

// Every line of the table of who may do what, asked of the running system. What is asked for has a parameter that no route
// knows: who is let in is told so (400), and nothing is done. (What says by its body what it is about is read before that is asked, so there it
// is done: 202.)

const wait = { prefer: 'wait=30' };
const routes = allRoutes();

/** A member with a job of its own, and its IDs where routes have them. */
interface Someone extends Registered {
  client: Client;
  jobId: string;
  sessionId: string;
  /** A group that it leads, and nobody else finds. */
  groupId: string;
  /** A room that it alone is in. */
  roomId: string;
}

async function someone(as: Client, roleId?: string): Promise<Someone> {
  const registered = await register(as);
  if (roleId && roleId !== 'member') await as.put(`/v1/members/${registered.memberId}/roles/${roleId}`, undefined, wait);
  const client = await login(registered.loginId, registered.password);
  const { body } = await client.patch(`/v1/members/${registered.memberId}`, { displayName: unique('Someone') });
  const sessions = (await client.get('/v1/auth/sessions')).body.items;
  const group = await client.post('/v1/groups', { name: unique('Group'), visibility: 'invitation' }, wait);
  const room = await client.post('/v1/rooms', { name: unique('Room') }, wait);
  return {
    ...{ ...registered, client, jobId: body.jobId, sessionId: sessions[0].id, groupId: group.body.id },
    roomId: room.body.id,
  };
}

/** What somebody makes of groups for others: one that they are in, one that everybody finds, and one that they are invited to. */
async function groupsFor({ client }: Someone, others: readonly Someone[]): Promise<Partial<Record<Whose, string>>> {
  const make = async (visibility: string): Promise<string> =>
    (await client.post('/v1/groups', { name: unique('Group'), visibility }, wait)).body.id;
  const [joined, found, invited] = await Promise.all(['invitation', 'open', 'invitation'].map(make));
  for (const { memberId } of others) {
    await client.put(`/v1/groups/${joined}/members/${memberId}`, undefined, wait);
    await client.post(`/v1/groups/${invited}/invitations`, { memberId }, wait);
  }
  return { joined, found, invited } as Partial<Record<Whose, string>>;
}

/** @param of whose the thing is */
const ask = (client: Client, route: Route, of: Omit<Someone, 'client'>): Promise<Answer> => {
  const { method, path } = route;
  const { memberId, jobId, sessionId, groupId } = of;
  const known: Record<string, string> = { memberId, jobId, sessionId, groupId };
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => known[name] ?? OTHERS[name] ?? randomUUID());
  return client.request(
    method,
    route.namedInBody ? filled : `${filled}?unheard=of`,
    method === 'GET' || method === 'DELETE' ? undefined : bodyOf(route, groupId),
  );
};
const OTHERS: Record<string, string> = {
  roleId: 'member',
  policyId: 'member.see-members',
  code: 'TOO_BUSY',
  file: 'docs.js',
  emoji: '%F0%9F%91%8D',
};

/** What the probe may do by the position that it holds in the whole organisation. */
const BY_POSITION = ['group.list'];

/** Whether a request was let in. */
function letIn(t: ExecutionContext, route: Route, { status, body }: Answer): boolean {
  const what = `${route.operationId}: ${status} ${JSON.stringify(body)}`;
  const isIn = status === (route.namedInBody ? 202 : 400);
  if (isIn) t.true(JSON.stringify(body).includes(route.namedInBody ? 'jobId' : 'unheard'), what);
  else t.true([401, 403].includes(status) || (status === 404 && body.code === route.hiddenAs), what);
  return isIn;
}

test('each route lets in whom the table says, and nobody else', async (t) => {
  const as = await admin();
  const [another, ...asking] = await Promise.all([someone(as), ...ASKERS.map((roleId) => someone(as, roleId))]);
  const clients = new Map(ASKERS.map((asker, at) => [asker, asker === 'stranger' ? undefined : asking[at]] as const));
  const got: Record<string, unknown> = {};
  const expected: Record<string, unknown> = {};
  const groups = await groupsFor(another, asking);
  for (const line of routes.flatMap(linesOf)) {
    const { route, isSelf } = line;
    const allowed = await routeAllows(line);
    for (const asker of ASKERS)
      for (const whose of whoseOf(route)) {
        const asks = clients.get(asker);
        const of = (whose === 'own' && asks) || another;
        const { memberId } = (namesItself(line, whose) && asks) || another;
        const groupId = whose === ROOT ? ROOT : (groups[whose] ?? of.groupId);
        const name = `${route.operationId} ${isSelf ? 'itself ' : ''}${asker} ${whose}`;
        got[name] = letIn(t, route, await ask(asks?.client ?? new Client(), route, { ...of, memberId, groupId }));
        expected[name] = allowed.get(asker)?.[whose];
      }
  }
  t.deepEqual(got, expected);
  t.true(Object.keys(got).length >= 250, 'all of them were asked');
});

test('each route asks for the permission that it names: that alone lets in, and all others do not', async (t) => {
  const as = await admin();
  const [probe, another] = await Promise.all([someone(as), someone(as)]);
  const guarded = routes.filter(({ action }) => action);
  const actions = [...new Set(guarded.flatMap(({ action }) => action ?? []))];
  const simple = { effect: 'allow', resources: ['*'] };
  const policy = await as.post('/v1/policies', { name: unique('Probe'), ...simple, actions: [actions[0]] }, wait);
  const role = await as.post('/v1/roles', { name: unique('Probe') }, wait);
  t.deepEqual([policy.status, role.status], [201, 201]);
  const done = async (answer: Promise<Answer>): Promise<void> => {
    t.true((await answer).status < 300);
  };
  await done(as.put(`/v1/roles/${role.body.id}/policies/${policy.body.id}`, undefined, wait));
  await done(as.put(`/v1/members/${probe.memberId}/roles/${role.body.id}`, undefined, wait));
  await done(as.delete(`/v1/members/${probe.memberId}/roles/member`, wait));
  for (const action of actions) {
    await done(as.patch(`/v1/policies/${policy.body.id}`, { ...simple, actions: [action] }, wait));
    const admitted = await Promise.all(
      guarded.map(async (route) => (letIn(t, route, await ask(probe.client, route, another)) ? route.operationId : [])),
    );
    t.deepEqual(
      admitted.flat(),
      guarded
        .filter((route) => route.action === action || BY_POSITION.includes(route.action ?? ''))
        .map(({ operationId }) => operationId),
      action,
    );
  }
});

test('a frame about a job, a group or a room is answered to whom the table says', async (t) => {
  const as = await admin();
  const another = await someone(as);
  for (const asker of ASKERS.filter((one) => one !== 'stranger')) {
    const self = await someone(as, asker);
    const groups = await groupsFor(another, [self]);
    const socket = await Socket.open(self.client.token);
    for (const type of FRAMES)
      for (const kind of kindsOf(type))
        for (const whose of kind ? whoseOfTopics(kind) : []) {
          const { jobId, groupId, roomId } = whose === 'own' ? self : another;
          const id = { job: jobId, group: groups[whose] ?? groupId, room: roomId }[kind ?? 'job'];
          const topic = `${kind}:${id}`;
          const mark = `${type} ${kind} ${whose}`;
          const given = { subscribe: { topics: [topic] }, send: { roomId, text: 'x' }, read: { roomId, sequence: 1 } };
          socket.send({ type, ref: mark, ...given[type as keyof typeof given] });
          const answer = await socket.frame(({ ref, type }) => ref === mark && type !== 'job');
          t.is(
            answer.type === 'ack' || (answer.topics?.includes(topic) ?? false),
            (await frameAllows(type, kind)).get(asker)?.[whose] ?? false,
            `${asker} ${mark}`,
          );
        }
    await socket.close();
  }
  for (const type of FRAMES.filter((one) => one !== 'auth')) {
    const socket = await Socket.open();
    socket.send(type === 'ping' ? { type } : { type, topics: [`job:${another.jobId}`] });
    t.is(await socket.closeCode(), 4401, `a stranger's ${type}`);
  }
});

test('the document shows the table as it is', async (t) => {
  const written = readFileSync(new URL('../ACCESS.md', import.meta.url), 'utf8');
  t.is(written, await accessDocument(), '`npm run access` writes it again');
});
