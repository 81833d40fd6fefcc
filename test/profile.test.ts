import test from 'ava';
import { admin, Client, login, register, unique } from './client.ts';

const WAIT = { prefer: 'wait=30' };
const PASSWORD = 'correct horse battery';

test.serial('attributes are what the schema says, from when it is set', async (t) => {
  const as = await admin();
  const path = '/v1/member-schema';
  const before = await as.get(path);
  t.is(before.status, 200);
  const schema = {
    type: 'object',
    properties: { team: { type: 'string', pattern: '^[A-Z]+$' }, room: { type: 'integer' } },
    additionalProperties: false,
  };
  const set = await as.put(path, { schema }, { ...WAIT, 'if-match': before.headers.get('etag') ?? '' });
  t.is(set.status, 200, JSON.stringify(set.body));
  t.deepEqual((await as.get(path)).body.schema, schema);
  t.is((await as.put(path, { schema }, { ...WAIT, 'if-match': before.headers.get('etag') ?? '' })).status, 412);
  const refused = await as.put(path, { schema: { type: 'object', $ref: 'https://evil.example' } }, WAIT);
  t.is(refused.status, 400);
  t.like(refused.body, { code: 'INVALID_MEMBER_SCHEMA', errors: [{ in: 'body', field: 'schema.$ref', code: 'UNKNOWN' }] });

  const loginId = unique('profile');
  const names = { loginId, password: PASSWORD, displayName: '花子', email: `${loginId}@example.com` };
  const wrong = await as.post('/v1/members', { ...names, attributes: { team: 'a', other: 1 } }, WAIT);
  t.is(wrong.status, 400, JSON.stringify(wrong.body));
  t.deepEqual(wrong.body.errors.map(({ field }: { field: string }) => field).sort(), ['attributes.other', 'attributes.team']);
  const profile = { locale: 'ja-jp', timeZone: 'asia/tokyo', attributes: { team: 'A', room: 7 } };
  const made = await as.post('/v1/members', { ...names, ...profile }, WAIT);
  t.is(made.status, 201, JSON.stringify(made.body));
  t.like(made.body, { locale: 'ja-JP', timeZone: 'Asia/Tokyo', attributes: { team: 'A', room: 7 } });

  const self = await login(loginId, PASSWORD);
  t.is((await self.put(path, { schema }, WAIT)).status, 403);
  t.is((await self.get(path)).status, 200);
  const changed = await self.patch(`/v1/members/${made.body.id}`, { locale: null, attributes: { team: null, room: 8 } }, WAIT);
  t.is(changed.status, 200, JSON.stringify(changed.body));
  t.like(changed.body, { timeZone: 'Asia/Tokyo', attributes: { room: 8 } });
  t.false('locale' in changed.body);
  const bad = await self.patch(`/v1/members/${made.body.id}`, { attributes: { room: 'x' } }, WAIT);
  t.like(bad.body, { code: 'INVALID_MEMBER', errors: [{ in: 'body', field: 'attributes.room', code: 'WRONG_TYPE' }] });
  for (const attributes of [{ __proto__x: 1 }, { 'a b': 1 }, JSON.parse('{"__proto__":1}'), { team: 'A\u0000' }, []])
    t.is((await self.patch(`/v1/members/${made.body.id}`, { attributes }, WAIT)).status, 400, JSON.stringify(attributes));
});

test.serial('who has a name that looks like another one is listed for administrators, and for nobody else', async (t) => {
  const as = await admin();
  const one = await register(as);
  const name = unique('Lookalike ');
  t.is((await as.patch(`/v1/members/${one.memberId}`, { displayName: name }, WAIT)).status, 200);
  const other = await register(as);
  const self = await login(other.loginId, other.password);
  const like = name.replaceAll('o', '\u043e');
  t.is((await self.patch(`/v1/members/${other.memberId}`, { displayName: like }, WAIT)).status, 200);
  t.is((await self.get('/v1/member-lookalikes')).status, 403);
  const answer = await as.get('/v1/member-lookalikes?pageSize=100');
  t.is(answer.status, 200, JSON.stringify(answer.body));
  const listed = answer.body.items.find(({ id }: { id: string }) => id === other.memberId);
  t.like(listed?.lookalikeOf, [{ id: one.memberId, displayName: name }]);
});

test.serial(
  'a login that was given up is held, also once its member is deleted, until an administrator releases it',
  async (t) => {
    const as = await admin();
    const one = await register(as);
    const other = await register(as);
    const take = (loginId: string) => as.patch(`/v1/members/${other.memberId}`, { loginId }, WAIT);
    const renamed = unique('renamed');
    t.is((await as.patch(`/v1/members/${one.memberId}`, { loginId: renamed }, WAIT)).status, 200);
    const holdOf = async (loginId: string) => (await as.get(`/v1/login-holds?loginId=${loginId}`)).body.items[0];
    t.like(await holdOf(one.loginId.toUpperCase()), { loginId: one.loginId, memberId: one.memberId });
    t.is((await as.delete(`/v1/members/${one.memberId}`, WAIT)).status, 204);
    for (const loginId of [one.loginId, renamed]) {
      t.is((await take(loginId)).body.code, 'LOGIN_TAKEN');
      const hold = await holdOf(loginId);
      t.like(hold, { memberId: one.memberId });
      t.false('loginId' in hold, 'what it was is not kept');
      const self = await login(other.loginId, other.password);
      t.is((await self.get('/v1/login-holds')).status, 403);
      t.is((await self.delete(`/v1/login-holds/${hold.id}`, WAIT)).status, 403);
    }
    const hold = await holdOf(renamed);
    t.is((await as.delete(`/v1/login-holds/${hold.id}`, WAIT)).status, 204);
    t.is(await holdOf(renamed), undefined);
    const gone = await as.delete(`/v1/login-holds/${hold.id}`, WAIT);
    t.is(gone.status, 404);
    t.is(gone.body.code, 'HOLD_NOT_FOUND');
    t.is((await take(renamed)).status, 200);
  },
);

test.serial('a login that was changed a few times waits, and its client is told for how long', async (t) => {
  const as = await admin();
  const { memberId, loginId, password } = await register(as);
  const self = await login(loginId, password);
  const names = [loginId, unique('other')];
  const answers = [];
  for (let i = 1; i <= 6; i++) answers.push(await self.patch(`/v1/members/${memberId}`, { loginId: names[i % 2] }, WAIT));
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 200, 200, 200, 200, 429],
  );
  const last = answers.at(-1);
  t.is(last?.body.code, 'RENAMED_TOO_OFTEN');
  const seconds = Number(last?.headers.get('retry-after'));
  t.true(seconds > 3_000 && seconds <= 3_600, String(seconds));
  t.is((await self.patch(`/v1/members/${memberId}`, { displayName: 'still' }, WAIT)).status, 200);
});

test.serial('a login in the form of an e-mail address is its own', async (t) => {
  const as = await admin();
  const email = `${unique('mail')}@example.com`;
  const body = { loginId: email, password: PASSWORD, displayName: 'x', email: 'other@example.com' };
  const refused = await as.post('/v1/members', body, WAIT);
  t.is(refused.status, 400);
  t.like(refused.body, { code: 'INVALID_MEMBER', errors: [{ in: 'body', field: 'loginId' }] });
  t.is((await as.post('/v1/members', { ...body, email }, WAIT)).status, 201);
  await t.notThrowsAsync(login(email, PASSWORD));
  t.is((await new Client().post('/v1/auth/login', { loginId: email, password: 'wrong horse battery' })).status, 401);
});
