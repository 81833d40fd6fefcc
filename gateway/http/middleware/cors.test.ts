import { send } from '../../client.fixture.ts';
import { worldTest } from '../../gateway.fixture.ts';

const test = worldTest({ origins: ['https://app.example'] });

const from = (origin: string, more: Record<string, string> = {}) => ({ headers: { origin, ...more } });
const OURS = 'https://app.example';
/** What is near it, and everything else. */
const OTHERS = ['https://app.example:444', 'http://app.example', 'https://app.example.evil', 'https://evil', 'null', '*', ''];

test('pages of an allowed origin may ask before they send, without a token, and are told what they may send', async (t) => {
  for (const [path, methods] of [
    ['/v1/members', 'POST, GET, HEAD, OPTIONS'],
    [`/v1/members/${t.context.hanaId}`, 'GET, PATCH, DELETE, HEAD, OPTIONS'],
    ['/v1/members/me', 'GET, HEAD, OPTIONS'],
    ['/docs', 'GET, HEAD, OPTIONS'],
  ] as const) {
    const asked = { 'access-control-request-method': 'PATCH', 'access-control-request-headers': 'authorization,if-match' };
    const { status, headers } = await send(t.context, 'OPTIONS', path, from(OURS, asked));
    t.is(status, 204);
    t.is(headers.get('access-control-allow-origin'), OURS);
    t.is(headers.get('access-control-allow-methods'), methods);
    const may = headers.get('access-control-allow-headers')?.toLowerCase().split(', ') ?? [];
    for (const name of ['authorization', 'content-type', 'if-match', 'if-none-match', 'idempotency-key', 'prefer', 'traceparent'])
      t.true(may.includes(name), name);
    t.regex(headers.get('access-control-max-age') ?? '', /^[1-9]\d*$/);
    t.is(headers.get('access-control-allow-credentials'), null);
  }
});

test('they may read every answer, refusals too, and what stands in its headers', async (t) => {
  const { context: world } = t;
  const body = { loginId: 'taro', password: 'long enough', displayName: '太郎', email: 'taro@example.com' };
  const answers = [
    await send(world, 'GET', '/v1/members', { token: world.admin, ...from(OURS) }),
    await send(world, 'POST', '/v1/members', { token: world.admin, body, ...from(OURS) }),
    await send(world, 'GET', '/v1/members', from(OURS)),
    await send(world, 'GET', '/v1/nothing', from(OURS)),
    await send(world, 'DELETE', '/docs', from(OURS)),
    await send(world, 'GET', '/openapi.json', from(OURS)),
  ];
  t.deepEqual(
    answers.map(({ status }) => status),
    [200, 202, 401, 404, 405, 200],
  );
  for (const { headers } of answers) {
    t.is(headers.get('access-control-allow-origin'), OURS);
    t.regex(headers.get('vary') ?? '', /\bOrigin\b/);
    const readable = headers.get('access-control-expose-headers')?.split(', ') ?? [];
    for (const name of ['Location', 'ETag', 'Retry-After', 'traceparent', 'X-Request-Id', 'Preference-Applied'])
      t.true(readable.includes(name), name);
  }
});

test('other pages are told nothing that a browser would show them', async (t) => {
  for (const origin of OTHERS) {
    for (const [method, path] of [
      ['OPTIONS', '/v1/members'],
      ['GET', '/v1/members'],
      ['GET', '/openapi.json'],
    ] as const) {
      const { headers } = await send(t.context, method, path, from(origin, { 'access-control-request-method': 'POST' }));
      const said = [...headers.keys()].filter((name) => name.startsWith('access-control-'));
      t.deepEqual(said, [], `${method} ${path} from ${origin}`);
      t.regex(headers.get('vary') ?? '', /\bOrigin\b/, 'or a cache would give the answer to one for that to another');
    }
  }
  const none = await send(t.context, 'GET', '/v1/nothing');
  t.regex(none.headers.get('vary') ?? '', /\bOrigin\b/);
});
