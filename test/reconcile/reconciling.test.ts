import test from 'ava';
import { connectPeer } from '#platform/grpc/client.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { type Reconciling, reconcile } from '../../worker/reconcile/reconcile.ts';
import type { Tellers } from '../../worker/reconcile/truth.ts';
import { byWhoMay, everyPeer } from '../callers.ts';
import { address, admin, register, unique } from '../client.ts';

const log = createLogger('test', 'silent');
const lifecycle = new Lifecycle(log, 1_000);
test.after.always(() => lifecycle.stop('done'));

const wait = { prefer: 'wait=30' };

test('what sagas are at is never put right, however often it is looked at, and what they leave agrees', async (t) => {
  const as = await admin();
  const made = async (path: string, body: object): Promise<string> => (await as.post(path, body, wait)).body.id;
  const simple = (action: string) => ({ effect: 'allow', actions: [action], resources: ['*'] });
  const [one, other] = [await register(as), await register(as)];
  const roleId = await made('/v1/roles', { name: unique('R') });
  const policyId = await made('/v1/policies', { name: unique('P'), ...simple('member.read') });
  const [groupId, place] = [await made('/v1/groups', { name: unique('G') }), await made('/v1/groups', { name: unique('G') })];
  const inner = await made('/v1/groups', { name: unique('G'), parentId: groupId });
  const positionId = await made(`/v1/groups/${groupId}/positions`, { name: unique('P'), permissions: [] });
  const mine = new Set([one.memberId, other.memberId, roleId, groupId, place, inner]);

  const peers = everyPeer(lifecycle);
  const corrected: string[] = [];
  const tellerOf = (name: keyof Tellers) =>
    connectPeer(address(`MUSUBI_${name.toUpperCase()}_ADDRESS`), StateServiceService, lifecycle, byWhoMay(name));
  const auth: Reconciling['auth'] = {
    ...peers.auth,
    listLogins: (request) => peers.auth.listLogins(request),
    listRoles: (request) => peers.auth.listRoles(request),
    listGroups: (request) => peers.auth.listGroups(request),
    listStandings: (request) => peers.auth.listStandings(request),
    forgetGroups: async () => ({}),
    // What other tests have planted is theirs.
    correctLogin: async (request) => {
      if (!mine.has(request.memberId)) return { corrected: false };
      const answer = await peers.auth.correctLogin(request);
      if (answer.corrected) corrected.push(request.memberId);
      return answer;
    },
    correctRole: async (request) => {
      if (!mine.has(request.roleId)) return { corrected: false };
      const answer = await peers.auth.correctRole(request);
      if (answer.corrected) corrected.push(request.roleId);
      return answer;
    },
    correctGroup: async (request) => {
      if (!mine.has(request.groupId)) return { corrected: false };
      const answer = await peers.auth.correctGroup(request);
      if (answer.corrected) corrected.push(request.groupId);
      return answer;
    },
    correctStanding: async (request) => {
      if (!mine.has(request.groupId)) return { corrected: false };
      const answer = await peers.auth.correctStanding(request);
      if (answer.corrected) corrected.push(`${request.groupId}.${request.memberId}`);
      return answer;
    },
  };
  const tellers = {
    member: tellerOf('member'),
    role: tellerOf('role'),
    group: tellerOf('group'),
    position: tellerOf('position'),
  };
  // Nothing of ours is unknown to anybody, nor outside of the whole organisation.
  const group: Reconciling['group'] = {
    enterMembers: async ({ memberIds }) => {
      corrected.push(...memberIds.filter((id) => mine.has(id)));
      return { memberIds: [] };
    },
  };
  const position: Reconciling['position'] = {
    removeAllPositions: async ({ groupIds }) => {
      corrected.push(...groupIds.filter((id) => mine.has(id)));
      return { written: [], positionIds: [] };
    },
    restorePositions: async ({ groupId }) => {
      if (mine.has(groupId)) corrected.push(groupId);
      return { restored: false };
    },
  };
  const context = { auth, group, position, websocket: peers.websocket, tellers, log };

  let isDone = false;
  let looks = 0;
  const changing = (async () => {
    const done = async (answer: ReturnType<typeof as.get>): Promise<void> => {
      const { status, body } = await answer;
      // On a busy machine it may not be done by the time that is waited for.
      const isDone = status === 202 ? (await as.finished(body.jobId)).state === 'completed' : status < 300;
      t.true(isDone, `${status} ${JSON.stringify(body)}`);
    };
    const held = `/v1/members/${one.memberId}/roles/${roleId}`;
    const carried = `/v1/roles/${roleId}/policies/${policyId}`;
    const within = `/v1/groups/${groupId}/members/${one.memberId}`;
    const bound = `/v1/groups/${groupId}/positions/${positionId}/members/${one.memberId}`;
    const permissions = (i: number) => (i % 2 ? [] : [{ action: 'group.update', reach: 'subtree' }]);
    // A look takes as long as there is much in the system.
    for (let i = 0; i < 6 || looks < 3; i++) {
      await Promise.all([
        done(as.put(carried, undefined, wait)),
        done(as.put(within, undefined, wait)),
        done(as.post(`/v1/groups/${inner}:move`, { parentId: i % 2 ? groupId : place }, wait)),
        done(as.post(`/v1/members/${other.memberId}:suspend`, {}, wait)),
      ]);
      await Promise.all([
        done(as.put(held, undefined, wait)),
        done(as.put(bound, undefined, wait)),
        done(as.patch(`/v1/groups/${place}`, { visibility: i % 2 ? 'open' : 'invitation' }, wait)),
        done(as.patch(`/v1/policies/${policyId}`, simple(i % 2 ? 'member.read' : 'member.list'), wait)),
        done(as.post(`/v1/members/${other.memberId}:reinstate`, undefined, wait)),
      ]);
      await Promise.all([
        done(as.delete(held, wait)),
        done(as.post(`${within}:expel`, { reason: 'it is over' }, wait)),
        done(as.patch(`/v1/groups/${groupId}/positions/${positionId}`, { permissions: permissions(i) }, wait)),
        done(as.delete(carried, wait)),
        done(
          as.patch(`/v1/members/${other.memberId}`, i === 0 ? { loginId: unique('renamed') } : { displayName: `n ${i}` }, wait),
        ),
      ]);
    }
    isDone = true;
  })();
  for (; !isDone; looks++) await Promise.race([reconcile({ ...context, settleMs: 1 }), changing]);
  await changing;
  t.log(`${looks} looks`);
  t.true(looks > 2);
  const { left } = await reconcile({ ...context, settleMs: 1 });
  t.deepEqual([corrected, left.filter(({ id }) => id.split('.').some((part) => mine.has(part)))], [[], []]);
});
