import test from 'ava';
import fc from 'fast-check';
import { send } from '../client.fixture.ts';
import { startWorld } from '../gateway.fixture.ts';
import { allRoutes } from '../routes/index.ts';

const routes = allRoutes();
/** Valid requests are rare among random ones, so some fields are what they should be. */
const field = fc.oneof(
  fc.jsonValue(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('taro', 'long enough', 'taro@example.com', '1', null, -1),
);
const body = fc.oneof(
  fc.dictionary(
    fc.constantFrom('loginId', 'password', 'displayName', 'email', 'refreshToken', '__proto__', 'constructor'),
    field,
  ),
  fc.jsonValue(),
);
const text = fc.oneof(
  body.map((value) => JSON.stringify(value)),
  fc.string({ unit: 'binary' }),
);
const header = fc.string({ minLength: 1, maxLength: 40 }).map((value) => value.replaceAll(/[^\x20-\x7e]/g, '?').trim());

test('whatever is sent, the answer is one that is declared, and never a 5xx', async (t) => {
  // As many as it says, however slow the machine is.
  const RUNS = 1_000;
  let done = 0;
  const world = await startWorld();
  const request = fc.record({
    operationId: fc.constantFrom(...routes.map(({ operationId }) => operationId)),
    id: fc.oneof(fc.constant(world.hanaId), fc.string({ unit: 'binary', minLength: 1 })),
    token: fc.constantFrom(world.admin, world.hana, undefined, 'x.y.z', 'eyJ9.bnVsbA.'),
    query: fc.oneof(fc.constant(''), fc.webQueryParameters()),
    text,
    contentType: fc.constantFrom('application/json', 'application/json', 'application/merge-patch+json', 'text/plain', 'x'),
    headers: fc.dictionary(
      fc.constantFrom('if-match', 'if-none-match', 'idempotency-key', 'prefer', 'traceparent', 'accept'),
      header,
    ),
  });
  try {
    await fc.assert(
      fc.asyncProperty(request, async ({ operationId, id, token, query, text, contentType, headers }) => {
        const route = routes.find((one) => one.operationId === operationId);
        if (!route) throw new Error('there is no such operation');
        const path = route.path.replace(/\{\w+\}/, () => encodeURIComponent(id.toWellFormed()));
        const answer = await send(world, route.method, query ? `${path}?${query}` : path, {
          ...(token ? { token } : {}),
          ...(route.method === 'GET' ? {} : { body: text }),
          headers: { ...headers, 'content-type': contentType },
        });
        if (answer.status >= 500) throw new Error(`${route.method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
        done++;
      }),
      { numRuns: RUNS },
    );
    t.is(done, RUNS);
  } finally {
    await world.close();
  }
});
