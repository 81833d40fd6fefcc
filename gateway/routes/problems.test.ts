import anyTest, { type TestFn } from 'ava';
import { CLIENT_CODES, PROBLEMS } from '#platform/problems.ts';
import { send } from '../client.fixture.ts';
import { startWorld, type World } from '../gateway.fixture.ts';

const test = anyTest as TestFn<World>;
test.before(async (t) => {
  t.context = await startWorld();
});
test.after.always((t) => t.context.close());

test('the type of a problem is an address at which it can be read', async (t) => {
  const refused = await send(t.context, 'GET', '/v1/members');
  t.is(refused.body.code, 'TOKEN_MISSING');
  t.is(refused.body.type, '/problems/TOKEN_MISSING');
  const kind = await send(t.context, 'GET', refused.body.type);
  t.is(kind.status, 200);
  t.is(kind.body.status, refused.status);
  t.is(kind.body.title, refused.body.title);
  t.is(kind.body.remedy, PROBLEMS.TOKEN_MISSING.remedy);
  t.is((await send(t.context, 'GET', '/problems/NO_SUCH')).status, 404);
});

test('the catalogue lists every code that clients are told, and OpenAPI has them as an enum', async (t) => {
  const { body } = await send(t.context, 'GET', '/problems');
  t.deepEqual(
    body.items.map(({ code }: { code: string }) => code),
    CLIENT_CODES,
  );
  const document = await send(t.context, 'GET', '/openapi.json');
  t.deepEqual(document.body.components.schemas.ProblemCode.enum, CLIENT_CODES);
});
