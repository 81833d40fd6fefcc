import test from 'ava';
import { MongoClient } from 'mongodb';
import { address, admin, login, register, unique } from './client.ts';

const WAIT = { prefer: 'wait=30' };

test('a member that renames itself again and again keeps few names from others, is told how to go on, and keeps its name', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const self = await login(loginId, password);
  const rename = (to: string) => self.patch(`/v1/members/${memberId}`, { loginId: to }, WAIT);
  let last = loginId;
  for (let i = 0; i < 3; i++) {
    last = unique('renamed');
    t.is((await rename(last)).status, 200);
  }
  const refused = await rename(unique('renamed'));
  t.is(refused.status, 409, JSON.stringify(refused.body));
  t.is(refused.body.code, 'TOO_MANY_RENAMES');
  t.like(refused.body.errors[0], { in: 'body', field: 'loginId' });
  t.is((await self.get('/v1/members/me')).body.loginId, last);
  await t.notThrowsAsync(login(last, password));
  t.is((await rename(loginId)).status, 200, 'a former name of its own');
});

test('a member whose login was lost with older data of Auth is told so when it is renamed, and can be deleted', async (t) => {
  const as = await admin();
  const { memberId } = await register(as);
  const mongo = await new MongoClient(address('MUSUBI_MONGODB_URL')).connect();
  try {
    await mongo.db('musubi_auth').collection<{ _id: string }>('members').deleteOne({ _id: memberId });
  } finally {
    await mongo.close();
  }
  const path = `/v1/members/${memberId}`;
  const renamed = await as.patch(path, { loginId: unique('renamed') }, WAIT);
  t.is(renamed.status, 409, JSON.stringify(renamed.body));
  t.is(renamed.body.code, 'LOGIN_NOT_FOUND');
  t.is((await as.patch(path, { displayName: 'still here' }, WAIT)).status, 200);
  t.is((await as.delete(path, WAIT)).status, 204);
  t.is((await as.get(path)).status, 404);
});
