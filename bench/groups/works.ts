import pg from 'pg';
import type { Peer } from '#platform/grpc/client.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { login } from '../../test/client.ts';
import { databaseUrl } from '../../test/evidence.ts';
import type { Organisation } from './organisation.ts';

// What is measured in an organisation, each with its baseline.

/** Of the chain's groups: how deep they are. The deepest is the hundredth, the whole organisation counted. */
export const DEPTHS = [1, 10, 99];
const CHECKS = 500;
export const CHECKS_AT_ONCE = 20;
const READS = 50;
const READS_AT_ONCE = 4;
const MOVES = 6;
const TREES = 5;
const ROUNDS = 3;
/** An even number: what is moved there is moved back. */
const BEFORE = 2;

/** Works that are compared with each other: they are measured by turns. */
export interface Compared {
  rounds: number;
  /** How often each is done before: what is done for the first time is compiled. */
  before: number;
  works: Work[];
}

export interface Work {
  title: string;
  count: number;
  atOnce: number;
  one(i: number): Promise<unknown>;
}

export async function worksOf(
  organisation: Organisation,
  auth: Pick<Peer<AuthServiceService>, 'authorize' | 'getJwks'>,
): Promise<Compared[]> {
  const { branch, chain, members } = organisation;
  const lanes = await Promise.all(
    members.slice(0, CHECKS_AT_ONCE).map(async ({ memberId, loginId, password }) => {
      return { memberId, accessToken: (await login(loginId, password)).token ?? '' };
    }),
  );
  const check = (title: string, ask: (memberId: string) => { action: string; type: string; id: string }): Work => ({
    ...{ title, count: CHECKS, atOnce: CHECKS_AT_ONCE },
    async one(i) {
      const { memberId = '', accessToken = '' } = lanes[i % lanes.length] ?? {};
      const { action, type, id } = ask(memberId);
      const resource = { type, id, ownerId: '' };
      await auth.authorize({ accessToken, action, resource, wantsPermit: false, filtered: false, origin: undefined });
    },
  });
  const read = (title: string, pathOf: (i: number) => string): Work => ({
    ...{ title, count: READS, atOnce: READS_AT_ONCE },
    one: (i) => organisation.get(pathOf(i)),
  });
  const some = (i: number): string => branch[i % branch.length]?.id ?? '';
  const compared = (...works: Work[]): Compared => ({ rounds: ROUNDS, before: BEFORE, works });
  return [
    // Short turns and many: what else the machine does is then shared by all.
    {
      ...{ rounds: 20, before: CHECKS },
      works: [
        { title: 'a call of Auth that looks up nothing', count: CHECKS, atOnce: CHECKS_AT_ONCE, one: () => auth.getJwks({}) },
        check('a check that is about no group', (id) => ({ action: 'member.update', type: 'Member', id })),
        ...DEPTHS.map((depth) =>
          check(titleOf(depth), () => ({ action: 'group.update', type: 'Group', id: chain[depth - 1] ?? '' })),
        ),
      ],
    },
    compared(
      { title: 'the same rows by bare SQL, as JSON', count: TREES, atOnce: 1, one: bareTree },
      { title: TREE, count: TREES, atOnce: 1, one: () => organisation.wholeTree() },
    ),
    compared(
      read('groups, a page of 100', () => '/v1/groups?pageSize=100'),
      read('groups by a word of the name', (i) => `/v1/groups?query=Group-${(i % 16).toString(16)}a`),
      read('the groups right below one', (i) => `/v1/groups/${some(i)}/subgroups`),
      read('the ancestors of the deepest', () => `/v1/groups/${chain.at(-1)}/ancestors`),
      read('the members of one', (i) => `/v1/groups/${some(i)}/members`),
      read('the groups of a member', (i) => `/v1/members/${members[i % members.length]?.memberId}/groups?pageSize=100`),
    ),
    compared(
      { title: 'move of 1 group', count: MOVES, atOnce: 1, one: (i) => organisation.move(organisation.leaf, i) },
      { title: MOVE, count: MOVES, atOnce: 1, one: (i) => organisation.move(some(0), i) },
    ),
  ];
}

export const titleOf = (depth: number): string => `a check at the depth ${depth}`;
export const TREE = 'the whole tree';
export const MOVE = 'move of all that is in the branch';

async function bareTree(): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl('musubi_query') });
  await client.connect();
  try {
    const { rows } = await client.query(
      'select id, version, parent_id, name, description, visibility, tags, archived_at, created_at, updated_at from groups where gone_at is null order by name, id',
    );
    JSON.parse(JSON.stringify(rows));
  } finally {
    await client.end();
  }
}
