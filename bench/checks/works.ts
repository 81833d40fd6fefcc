import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { createLocalJWKSet, jwtVerify } from 'jose';
import type { Db } from 'mongodb';
import { MusubiError } from '#platform/errors.ts';
import type { Peer } from '#platform/grpc/client.ts';
import type { AuthServiceService, PermissionCheck } from '#proto/musubi/auth/v1/auth.ts';
import type { Member, Role } from '../../services/auth/domain.ts';
import { Policies } from '../../services/auth/policies.ts';
import { aboutOf, questionOf as known, NO_FACTS, type Question } from '../../services/auth/question.ts';
import type { SessionOf } from '../../services/auth/session-facts.ts';
import { Sessions } from '../../services/auth/sessions.ts';
import { ACTIONS, type Lane, type Prepared } from './prepare.ts';
import { Remembered } from './remembered.ts';

/** Of a Check. */
export const QUESTIONS = 100;
export const IN_FLIGHT = 20;
/** Kinds of question of those that are answered by what Auth remembers: fewer than it keeps. */
const FEW_KINDS = 400;
/** A Check of questions that are all Cedar's takes Auth so long that few may be in flight within their deadline. */
const COLD_IN_FLIGHT = 2;

/** One thing that is measured. */
export interface Work {
  title: string;
  /** Who does what is measured: Auth, or the benchmark itself as the baseline. */
  by: 'Auth' | 'this process';
  count: number;
  concurrency: number;
  /** Permission checks of each. */
  checks: number;
  /** The share of the checks since it was asked last that Auth answers by what it remembers; absent: it is not about that. */
  remembered?: () => number;
  one(i: number): unknown;
}

export interface Asking {
  auth: Pick<Peer<AuthServiceService>, 'authorize' | 'check' | 'getJwks'>;
  /** Auth's own database, with the settings that Auth reads by. */
  db: Db;
  prepared: Prepared;
}

/** Goes on from round to round: what was asked in one is known in the next. */
class Counter {
  #at = 0;
  next(): number {
    return this.#at++;
  }
}

export async function worksOf({ auth, db, prepared }: Asking): Promise<Work[]> {
  const { plain, loaded, named } = prepared;
  const members = db.collection<Member>('members');
  const rolesOf = async ({ memberId }: Lane): Promise<Role[]> => {
    const member = await members.findOne({ _id: memberId });
    return await db
      .collection<Role>('roles')
      .find({ _id: { $in: member?.roleIds ?? [] } })
      .toArray();
  };
  const [plainRoles, loadedRoles] = await Promise.all([plain, loaded].map(([lane]) => rolesOf(lane as Lane)));
  const remembering = (roles: readonly Role[] = []) =>
    new Remembered(
      roles.flatMap(({ policies }) => policies.map(({ cedar }) => cedar)),
      roles.map(({ _id }) => _id),
    );
  const memories = new Map([
    [plain, remembering(plainRoles)],
    [loaded, remembering(loadedRoles)],
  ]);

  /** A question of which the policies know the member; each i is another kind, up to all that there are. */
  const ofNamed = (i: number): PermissionCheck => {
    const id = named[Math.floor(i / ACTIONS.length) % named.length] ?? '';
    return { action: ACTIONS[i % ACTIONS.length] ?? '', resource: { type: 'Member', id, ownerId: '' } };
  };
  const ofItself = ({ memberId: id }: Lane): PermissionCheck => ({
    action: 'member.update',
    resource: { type: 'Member', id, ownerId: '' },
  });
  const laneOf = (lanes: Lane[], i: number): Lane => lanes[i % lanes.length] as Lane;
  const note = (lanes: Lane[], { memberId }: Lane, asked: PermissionCheck): void => {
    const roles = lanes === plain ? plainRoles : loadedRoles;
    memories.get(lanes)?.note(questionOf(memberId, roles ?? [], asked));
  };
  const authorize = (title: string, count: number, lanes: Lane[], ask: (lane: Lane) => PermissionCheck): Work => ({
    title,
    by: 'Auth',
    count,
    concurrency: IN_FLIGHT,
    checks: 1,
    remembered: () => memories.get(lanes)?.share() ?? 0,
    one: (i) => {
      const lane = laneOf(lanes, i);
      const asked = ask(lane);
      note(lanes, lane, asked);
      return allowedOrNot(auth.authorize({ accessToken: lane.token, ...asked, wantsPermit: true, filtered: undefined }));
    },
  });
  const check = (title: string, count: number, lanes: Lane[], ask: (lane: Lane, k: number) => PermissionCheck): Work => ({
    title: `Check of ${QUESTIONS}, ${title}`,
    by: 'Auth',
    count,
    concurrency: IN_FLIGHT,
    checks: QUESTIONS,
    remembered: () => memories.get(lanes)?.share() ?? 0,
    one: (i) => {
      const lane = laneOf(lanes, i);
      const checks = Array.from({ length: QUESTIONS }, (_, k) => ask(lane, k));
      for (const one of checks) note(lanes, lane, one);
      return auth.check({ accessToken: lane.token, checks });
    },
  });
  const list = (title: string, lanes: Lane[]): Work => ({
    title: `Authorize of a list, ${title}`,
    by: 'Auth',
    count: 2_000,
    concurrency: IN_FLIGHT,
    checks: 1,
    one: (i) => {
      const resource = { type: 'Member', id: '', ownerId: '' };
      const asked = { action: 'member.list', resource, wantsPermit: undefined, filtered: true };
      return auth.authorize({ accessToken: laneOf(lanes, i).token, ...asked });
    },
  });

  const kinds = named.length * ACTIONS.length;
  const few = new Counter();
  const fewKinds = (): PermissionCheck => ofNamed(few.next() % FEW_KINDS);
  const cold = new Counter();
  const others = (lane: Lane, k: number): PermissionCheck => ({ ...ofItself(lane), action: ACTIONS[k % ACTIONS.length] ?? '' });
  return [
    {
      title: 'a call that looks up nothing',
      by: 'Auth',
      count: 3_000,
      concurrency: IN_FLIGHT,
      checks: 1,
      one: () => auth.getJwks({}),
    },
    authorize('Authorize, built-in role', 3_000, plain, ofItself),
    authorize('Authorize, 30 roles, few kinds of question', 3_000, loaded, fewKinds),
    authorize('Authorize, 30 roles, any kind', 2_000, loaded, () => ofNamed(Math.floor(Math.random() * kinds))),
    authorize('Authorize, 30 roles, each time another kind', 1_000, loaded, () => ofNamed(cold.next())),
    list('built-in role', plain),
    list('30 roles', loaded),
    check('built-in role', 200, plain, others),
    check('30 roles, few kinds', 200, loaded, fewKinds),
    { ...check('30 roles, each another kind', 10, loaded, () => ofNamed(cold.next())), concurrency: COLD_IN_FLIGHT },
    ...lookUps(db, 'built-in role', plain),
    ...lookUps(db, '30 roles', loaded),
    ...(await signatures(auth, plain)),
    ...cedar('built-in role', plainRoles ?? [], plain[0] as Lane, () => ofItself(plain[0] as Lane)),
    ...cedar('30 roles', loadedRoles ?? [], loaded[0] as Lane, ofNamed),
  ];
}

/** The look-up that Auth makes, bare: for each question, and as Auth makes it, for all who ask at the same time together. */
function lookUps(db: Db, title: string, lanes: Lane[]): Work[] {
  const store = { members: db.collection<Member>('members'), clock: Date };
  const together = new Sessions(store);
  const lookUp = async (sessions: Sessions, i: number): Promise<void> => {
    const lane = lanes[i % lanes.length] as Lane;
    if (
      !(await sessions.facts(sessionOf(lane.token), {
        about: aboutOf([{ type: 'Member', id: lane.memberId, ownerId: '' }], ['member.read']),
      }))
    )
      throw new Error('the store does not know the session');
  };
  const same = { by: 'this process', count: 2_000, concurrency: IN_FLIGHT, checks: 1 } as const;
  return [
    { ...same, title: `the store's look-up, ${title}`, one: (i) => lookUp(new Sessions(store), i) },
    { ...same, title: `the same, those at once together, ${title}`, one: (i) => lookUp(together, i) },
  ];
}

/** What Auth does with a token that it sees for the first time; and of that the signature. */
async function signatures(auth: Asking['auth'], lanes: Lane[]): Promise<Work[]> {
  const jwks = JSON.parse((await auth.getJwks({})).jwksJson) as { keys: JsonWebKey[] };
  const keys = createLocalJWKSet(jwks as Parameters<typeof createLocalJWKSet>[0]);
  const key = createPublicKey({ key: jwks.keys[0] as JsonWebKey, format: 'jwk' });
  const same = { by: 'this process', concurrency: 1, checks: 1 } as const;
  return [
    {
      ...same,
      title: 'a signature (ES256)',
      count: 2_000,
      one: (i) => {
        const [header, claims, signature] = (lanes[i % lanes.length]?.token ?? '').split('.');
        const bytes = Buffer.from(signature ?? '', 'base64url');
        const genuine = verify('sha256', Buffer.from(`${header}.${claims}`), { key, dsaEncoding: 'ieee-p1363' }, bytes);
        if (!genuine) throw new Error('the signature does not verify');
      },
    },
    {
      ...same,
      title: 'a token that is seen first',
      count: 1_000,
      one: (i) => jwtVerify(lanes[i % lanes.length]?.token ?? '', keys),
    },
  ];
}

/** Cedar alone, which remembers nothing. */
function cedar(title: string, roles: readonly Role[], { memberId }: Lane, ask: (i: number) => PermissionCheck): Work[] {
  const policies = new Policies();
  const explain = (i: number, by: readonly Role[]) => policies.explain(questionOf(memberId, roles, ask(i)), by);
  let version = 0;
  const same = { by: 'this process', concurrency: 1, checks: 1 } as const;
  return [
    { ...same, title: `Cedar, ${title}`, count: 500, one: (i) => explain(i, roles) },
    {
      ...same,
      title: `Cedar with its policies parsed first, ${title}`,
      count: 20,
      // Of other versions: another combination.
      one: (i) => {
        version++;
        return explain(
          i,
          roles.map((role) => ({ ...role, version: -version })),
        );
      },
    },
  ];
}

/** The question as Auth puts it: of a member, also which roles it holds. @param roles of the member that asks */
function questionOf(memberId: string, roles: readonly Role[], { action, resource }: PermissionCheck): Question {
  const asked = resource ?? { type: '', id: '', ownerId: '' };
  const rolesOf = new Map([[memberId, roles.map(({ _id }) => _id)]]);
  return known({ memberId, action, resource: asked }, { ...NO_FACTS, rolesOf });
}

function sessionOf(token: string): SessionOf {
  const { sub, sid } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { sub: string; sid: string };
  return { memberId: sub, sessionId: sid };
}

async function allowedOrNot(answer: Promise<unknown>): Promise<void> {
  try {
    await answer;
  } catch (error) {
    if (!(error instanceof MusubiError && error.code === 'PERMISSION_DENIED')) throw error;
  }
}
