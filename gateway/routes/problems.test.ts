import anyTest, { type TestFn } from 'ava';
import { CLIENT_CODES, PROBLEMS } from '#platform/problems.ts';
import { MOST_POLICIES, MOST_ROLES } from '#platform/validation/access-fields.ts';
import {
  MOST_CANDIDACIES,
  MOST_CARRIED,
  MOST_GROUPS,
  MOST_SUBGROUPS,
  MOST_TAG_IDS,
  MOST_TAGS,
} from '#platform/validation/group-fields.ts';
import { MOST_BINDINGS, MOST_POSITIONS } from '#platform/validation/position-fields.ts';
import { MOST_REACTIONS, MOST_ROOM_MEMBERS, MOST_ROOMS } from '#platform/validation/room-fields.ts';
import { send } from '../client.fixture.ts';
import { startWorld, type World } from '../gateway.fixture.ts';
import { ANYWHERE, declaredProblems, UNROUTED } from '../http/declared-problems.ts';
import { allRoutes } from './index.ts';

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

/** How many there can be, by the code of one more. */
const MOST: Partial<Record<(typeof CLIENT_CODES)[number], number[]>> = {
  TOO_MANY_POLICIES: [MOST_POLICIES],
  TOO_MANY_ROLES: [MOST_ROLES],
  TOO_MANY_SUBGROUPS: [MOST_SUBGROUPS],
  TOO_MANY_ROOM_MEMBERS: [MOST_ROOM_MEMBERS],
  TOO_MANY_ROOMS: [MOST_ROOMS],
  TOO_MANY_REACTIONS: [MOST_REACTIONS],
  TOO_MANY_TAGS: [MOST_TAGS, MOST_TAG_IDS, MOST_CARRIED],
  TOO_MANY_JOIN_REQUESTS: [MOST_CANDIDACIES],
  TOO_MANY_INVITATIONS: [MOST_CANDIDACIES],
  TOO_MANY_GROUPS: [MOST_GROUPS],
  TOO_MANY_BINDINGS: [MOST_BINDINGS],
  TOO_MANY_POSITIONS: [MOST_POSITIONS],
};

test('of what there can be too much, the catalogue says how much there can be', (t) => {
  const bounded = CLIENT_CODES.filter(
    (code) => code.startsWith('TOO_MANY_') && PROBLEMS[code].status === 'FAILED_PRECONDITION' && code !== 'TOO_MANY_RENAMES',
  );
  t.deepEqual(bounded.toSorted(), Object.keys(MOST).sort());
  for (const code of bounded)
    t.deepEqual(
      PROBLEMS[code].meaning.match(/\d[\d,]*\d/g),
      MOST[code]?.map((most) => most.toLocaleString('en')),
      code,
    );
});

/** The socket's own. */
const SOCKET = [
  'BAD_FRAME',
  'FRAME_UNKNOWN',
  'TOPIC_UNKNOWN',
  'TOO_MANY_TOPICS',
  'TOO_MANY_SOCKETS',
  'TOO_MANY_FRAMES',
  'TOO_SLOW',
  'SUBPROTOCOL_REQUIRED',
  'ORIGIN_REFUSED',
  'UPGRADE_REQUIRED',
];

/** What a line of a job is refused with. */
const OF_LINES = ['LINE_CANCELLED'];

test('a code is of the catalogue that clients read exactly when a route declares it, or the socket has it', (t) => {
  const declared = allRoutes().flatMap((route) => [...declaredProblems(route).values()].flat());
  const told = new Set<string>([...declared, ...ANYWHERE, ...UNROUTED, ...SOCKET, ...OF_LINES]);
  const catalogue = new Set<string>(CLIENT_CODES);
  t.deepEqual([...catalogue.difference(told)], [], 'clients are told of them, and never meet them');
  t.deepEqual([...told.difference(catalogue)], [], 'clients meet them, and are not told what they mean');
});
