import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { text } from 'node:stream/consumers';
import fc from 'fast-check';
import { type World, worldTest } from '../gateway.fixture.ts';
import { allRoutes } from '../routes/index.ts';
import { bySpecificity } from './router.ts';

const test = worldTest();

const SENT = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'QUERY', 'PROPFIND'];

const agent = new Agent({ keepAlive: true });
test.after(() => agent.destroy());

/** One request by any method; what `fetch` would not send, too. */
async function ask(world: World, method: string, path: string) {
  // A URL would be normalised.
  const sent = request({ host: '127.0.0.1', port: new URL(world.base).port, agent, method, path });
  const [response] = (await once(sent.end(), 'response')) as [IncomingMessage];
  const body = await text(response);
  return { status: response.statusCode, headers: response.headers, body, code: /"code":"(\w+)"/.exec(body)?.[1] };
}
const allowed = ({ headers }: { headers: { allow?: string } }): string[] => (headers.allow ?? '').split(', ').sort();

test('at every path, Allow names the methods that can be used there, and no others', async (t) => {
  const { context: world } = t;
  const id = fc.oneof(
    fc.constantFrom(world.hanaId, 'me', 'x', `${world.hanaId}:cancel`, ':cancel', 'a:b', '..', 'start.js', 'a/b'),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 10 }).filter((value) => !/\p{Cc}/u.test(value)),
  );
  const routes = allRoutes();
  const seen = new Set<string>();
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...routes), id, async ({ path }, value) => {
      seen.add(path);
      const concrete = path.replaceAll(/\{\w+\}/g, encodeURIComponent(value));
      const options = await ask(world, 'OPTIONS', concrete);
      t.is(options.status, 204, concrete);
      for (const method of SENT) {
        const answer = await ask(world, method, concrete);
        const usable = answer.code !== 'ROUTE_NOT_FOUND' && answer.status !== 405;
        t.is(allowed(options).includes(method), usable, `${method} ${concrete}: ${answer.status}`);
        if (answer.status === 405) t.deepEqual(allowed(answer), allowed(options));
      }
    }),
    { numRuns: routes.length + 20, examples: routes.map((route): [(typeof routes)[number], string] => [route, world.hanaId]) },
  );
  t.is(seen.size, new Set(routes.map(({ path }) => path)).size);
});

test('a command that there is not is no path, though what it would be done to is one', async (t) => {
  const { context: world } = t;
  for (const path of [`/v1/members/${world.hanaId}:suspnd`, `/v1/jobs/${world.hanaId}:cancl`])
    for (const method of ['POST', 'PUT']) {
      const answer = await ask(world, method, path);
      t.is(answer.status, 404, `${method} ${path}`);
      t.is(answer.headers.allow, undefined);
    }
});

test('a path is that of the most specific template, whatever can be done there', async (t) => {
  const { context: world } = t;
  t.deepEqual(allowed(await ask(world, 'PATCH', '/v1/members/me')), ['GET', 'HEAD', 'OPTIONS']);
  t.deepEqual(allowed(await ask(world, 'GET', `/v1/jobs/${world.hanaId}:cancel`)), ['OPTIONS', 'POST']);
  t.deepEqual(allowed(await ask(world, 'OPTIONS', `/v1/jobs/${world.hanaId}`)), ['GET', 'HEAD', 'OPTIONS']);
  t.is((await ask(world, 'OPTIONS', '/v1/nothing')).code, 'ROUTE_NOT_FOUND');
  t.is((await ask(world, 'GET', '//v1/members')).code, 'ROUTE_NOT_FOUND');
  t.is((await ask(world, 'GET', '/v1/../docs')).code, 'ROUTE_NOT_FOUND');

  const inOrder = ['/a/{x}/{y}', '/a/{x}/{y}:z', '/a/{x}/c', '/a/{x}:z/c', '/a/b/{y}', '/a/b/{y}:z', '/a/b/c'];
  t.deepEqual([...inOrder].reverse().sort(bySpecificity), inOrder);
});

test('of all paths, in whatever order they are declared, a command comes after what it is done to', (t) => {
  const paths = [...new Set(allRoutes().map(({ path }) => path))];
  fc.assert(
    fc.property(fc.shuffledSubarray(paths, { minLength: paths.length }), (shuffled) => {
      const sorted = shuffled.sort(bySpecificity);
      for (const path of sorted) {
        const [of, ...verb] = path.split(':');
        // A collection's own verb can not be mistaken for an ID with one.
        if (verb.length > 0 && of?.endsWith('}')) t.true(sorted.indexOf(path) > sorted.indexOf(of), path);
      }
    }),
  );
});

test('OPTIONS * tells what can be done somewhere', async (t) => {
  const answer = await ask(t.context, 'OPTIONS', '*');
  t.is(answer.status, 204);
  t.deepEqual(allowed(answer), ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']);
});
