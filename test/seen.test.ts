import { randomUUID } from 'node:crypto';
import test from 'ava';
import { MongoClient } from 'mongodb';
import { connectPeer } from '#platform/grpc/client.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { byWhoMay } from './callers.ts';
import { address, admin, login, register, unique } from './client.ts';

const lifecycle = new Lifecycle(createLogger('test', 'silent'), 1_000);
test.after.always(() => lifecycle.stop('done'));

test('lists, searches and reads show the members that a policy lets see, and no other', async (t) => {
  const as = await admin();
  const roleId = unique('sees-few');
  const [seer, other] = [await register(as), await register(as)];
  const wait = { prefer: 'wait=30' };
  t.teardown(async () => {
    for (const { memberId } of [seer, other]) await as.delete(`/v1/members/${memberId}`, wait);
    await using mongo = await MongoClient.connect(address('MUSUBI_MONGODB_URL'));
    await mongo.db('musubi_auth').collection<{ _id: string }>('roles').deleteOne({ _id: roleId });
  });
  const auth = connectPeer(address('MUSUBI_AUTH_ADDRESS'), AuthServiceService, lifecycle, byWhoMay('auth'));
  const cedar = `permit (principal, action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource)
    when { resource == principal || resource in Musubi::Role::"admin" };`;
  const policies = [{ policyId: `${roleId}.few`, name: '', cedar }];
  const role = {
    roleId,
    name: '',
    description: '',
    builtIn: false,
    policies,
    version: 1,
    createdAt: undefined,
    updatedAt: undefined,
  };
  await auth.putRoles({ roles: [role] });
  const self = await login(seer.loginId, seer.password);
  t.is((await self.get(`/v1/members/${other.memberId}`)).status, 200, 'it holds the role "member"');
  await auth.grantRoles({ operationId: randomUUID(), memberId: seer.memberId, roleIds: [roleId] });

  const adminId = (await as.get('/v1/members/me')).body.id;
  const idsOf = async (query: string): Promise<string[]> =>
    (await self.get(`/v1/members?${query}`)).body.items.map(({ id }: { id: string }) => id);
  const listed = await idsOf('pageSize=100');
  t.true(listed.includes(seer.memberId) && listed.includes(adminId), JSON.stringify(listed));
  t.false(listed.includes(other.memberId));
  t.deepEqual(await idsOf(`query=${seer.loginId}`), [seer.memberId]);
  t.deepEqual(await idsOf(`query=${other.loginId}`), []);
  for (const path of ['me', seer.memberId, adminId]) t.is((await self.get(`/v1/members/${path}`)).status, 200, path);
  t.like(await self.get(`/v1/members/${other.memberId}`), { status: 404, body: { code: 'MEMBER_NOT_FOUND' } });

  await auth.grantRoles({ operationId: randomUUID(), memberId: seer.memberId, roleIds: [] });
  t.like(await self.get('/v1/members'), { status: 403, body: { code: 'PERMISSION_DENIED' } }, 'nothing is granted any more');
});
