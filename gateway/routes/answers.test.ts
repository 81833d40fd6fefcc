import { newId } from '#platform/validation/id.ts';
import type { GetGroupRequest } from '#proto/musubi/query/v1/query.ts';
import { type Answer, send } from '../client.fixture.ts';
import { type World, worldTest } from '../gateway.fixture.ts';
import { groupView, positionView } from '../group-stand-ins.fixture.ts';
import { playedRoom } from '../rooms.fixture.ts';
import { allRoutes } from './index.ts';

// What a finished command is answered with is read when it is done, and again for each repeat of its key: by what its reader may read then.

const test = worldTest();

/** A request of a command, and the permissions without each of which its answer is not shown. */
type Asked = [operationId: string, method: string, path: string, needs: string[], body?: object];

const AT = new Date();
const POLICY = { name: 'x', effect: 'allow', actions: ['member.read'], resources: ['*'] };
const MEMBER = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };

/** Every command that is answered with what is read for it, in a world in which each can be carried out. */
function commandsIn({ hanaId, members, groups, positions, rooms, gateway }: World): Asked[] {
  const [groupId, to, positionId, roleId, policyId, roomId] = [newId(), newId(), newId(), newId(), newId(), newId()];
  for (const id of [groupId, to]) groups.set(id, groupView(id, { tags: ['sales'] }));
  positions.set(positionId, positionView(positionId, groupId));
  const ownerId = [...members.keys()].find((id) => id !== hanaId) ?? '';
  rooms.set(roomId, playedRoom(roomId, { ownerId, memberIds: [ownerId] }));
  const view = { name: 'x', builtIn: false, version: 1, createdAt: AT, updatedAt: AT };
  gateway.query = {
    ...gateway.query,
    getRole: async ({ roleId }) => ({ role: { ...view, roleId, description: '', policyIds: [] } }),
    getPolicy: async ({ policyId }) => ({
      policy: { ...view, policyId, cedar: 'permit (principal, action, resource);', simple: undefined },
    }),
  };
  const [group, member, role] = [`/v1/groups/${groupId}`, `/v1/members/${hanaId}`, `/v1/roles/${roleId}`];
  const ofPosition = ['position.list', 'group.read'];
  return [
    ['createGroup', 'POST', '/v1/groups', ['group.read'], { name: 'Kyoto' }],
    ['updateGroup', 'PATCH', group, ['group.read'], { description: 'x' }],
    ['moveGroup', 'POST', `${group}:move`, ['group.read'], { parentId: to }],
    ['archiveGroup', 'POST', `${group}:archive`, ['group.read']],
    ['restoreGroup', 'POST', `${group}:restore`, ['group.read']],
    ['renameTag', 'POST', `${group}/tags/sales:rename`, ['group.read'], { name: 'Sales' }],
    ['createPosition', 'POST', `${group}/positions`, ofPosition, { name: 'Treasurer', permissions: [] }],
    ['updatePosition', 'PATCH', `${group}/positions/${positionId}`, ofPosition, { name: 'x' }],
    ['requestJoin', 'POST', `${group}/join-requests`, ['member.list-requests']],
    // Who may invite, which is asked of every repeat, may read what it has made.
    ['inviteMember', 'POST', `${group}/invitations`, [], { memberId: hanaId }],
    ['registerMember', 'POST', '/v1/members', ['member.read'], MEMBER],
    ['updateMember', 'PATCH', member, ['member.read'], { displayName: 'x' }],
    ['suspendMember', 'POST', `${member}:suspend`, ['member.read']],
    ['reinstateMember', 'POST', `${member}:reinstate`, ['member.read']],
    ['setSchema', 'PUT', '/v1/member-schema', ['member.list'], { schema: { type: 'object' } }],
    ['createRole', 'POST', '/v1/roles', ['role.read'], { name: 'x' }],
    ['updateRole', 'PATCH', role, ['role.read'], { name: 'x' }],
    ['attachPolicy', 'PUT', `${role}/policies/${policyId}`, ['role.read']],
    ['createPolicy', 'POST', '/v1/policies', ['policy.read'], POLICY],
    ['createRoom', 'POST', '/v1/rooms', ['room.read'], { name: 'x' }],
    ['openDirect', 'PUT', `/v1/rooms/direct/${hanaId}`, ['room.read']],
    ['openDirectOfSeveral', 'POST', '/v1/rooms/direct', ['room.read'], { memberIds: [hanaId] }],
    ['updateRoom', 'PATCH', `/v1/rooms/${roomId}`, ['room.read'], { name: 'x' }],
    ['updatePolicy', 'PATCH', `/v1/policies/${policyId}`, ['policy.read'], { name: 'x' }],
  ];
}

/** What its own job has as its result is the asker's. */
const OF_THE_JOB = ['addMembers'];

test('a repeat of a key shows nothing that its member may not read any more', async (t) => {
  const { context: world } = t;
  const commands = commandsIn(world);
  const answered = allRoutes().filter(
    ({ command, responses }) => command && Object.entries(responses).some(([status, { schema }]) => schema && status !== '202'),
  );
  t.deepEqual(
    commands
      .map(([operationId]) => operationId)
      .concat(OF_THE_JOB)
      .toSorted(),
    answered.map(({ operationId }) => operationId).toSorted(),
    'of each command that shows something it is told here what it takes to read that',
  );
  for (const [operationId, method, path, needs, body] of commands) {
    const headers = { 'idempotency-key': operationId, prefer: 'wait=5' };
    const ask = (): Promise<Answer> => send(world, method, path, { token: world.admin, headers, ...(body ? { body } : {}) });
    const first = await ask();
    t.true([200, 201].includes(first.status), `${operationId} ${first.status}`);
    t.is((await ask()).status, first.status, operationId);
    for (const action of needs) {
      world.refused = [{ actions: [action] }];
      const jobId = [...world.jobs.keys()].at(-1);
      t.like(await ask(), { status: 202, body: { jobId } }, `${operationId} without ${action}`);
    }
    world.refused = [];
  }
  t.deepEqual(
    world.lines.filter(({ level }) => (level as number) >= 40),
    [],
    'it is nothing that an operator must look at',
  );
});

test('what is answered of a group shows of those around it what its reader may see', async (t) => {
  const { context: world } = t;
  const commands = commandsIn(world).filter(([, , , [action]]) => action === 'group.read');
  const { query } = world.gateway;
  let asked: GetGroupRequest | undefined;
  world.gateway.query = {
    ...query,
    getGroup: (request, options) => {
      asked = request;
      return query.getGroup({ ...request, seen: { kind: { $case: 'always', value: true } } }, options);
    },
  };
  const only = { kind: { $case: 'ids' as const, value: { ids: [newId()] } } };
  for (const [operationId, method, path, , body] of commands) {
    const ask = (): Promise<Answer> =>
      send(world, method, path, { token: world.admin, headers: { prefer: 'wait=5' }, ...(body ? { body } : {}) });
    world.seen = only;
    if (operationId !== 'createGroup') t.is((await ask()).status, 200, operationId);
    else t.is((await ask()).status, 201);
    t.like(asked, { seen: only, seenGroups: only }, operationId);
  }
  world.refused = [{ actions: ['group.list'] }];
  const path = `/v1/groups/${asked?.groupId}`;
  const changed = { token: world.admin, headers: { prefer: 'wait=5' }, body: { description: 'y' } };
  t.is((await send(world, 'PATCH', path, changed)).status, 200);
  t.like(asked, { seenGroups: { kind: { $case: 'always', value: false } } }, 'who may list none sees none around it');
});
