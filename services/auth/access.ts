import { setImmediate } from 'node:timers/promises';
import { Counter } from '@prometheus-io/client';
import { callerGone, permissionDenied } from '#platform/errors.ts';
import { metrics } from '#platform/process/telemetry.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { AccessToken } from './access-tokens.ts';
import type { Auth } from './auth.ts';
import type { Condition } from './conditions.ts';
import type { Role } from './domain.ts';
import { stampOf } from './groups/group.ts';
import { outcomeOf } from './outcome.ts';
import type { Permit } from './permits.ts';
import type { RoleVersion } from './policy-sets.ts';
import { type About, aboutOf, askedBelow, NOTHING_ASKED, questionOf, type Resource } from './question.ts';
import { permissionRevoked, sessionRevoked } from './refusals.ts';
import type { SessionFacts } from './session-facts.ts';

/** What is asked about, as callers name it. */
export interface Asked {
  action: string;
  resource: Resource;
}

const authorizations = new Counter({
  name: 'musubi_auth_authorizations_total',
  help: 'Permission checks by outcome: allowed, or the code of the refusal',
  labelNames: ['outcome'],
  registers: [metrics],
});

/**
 * Who is this? A genuine token of a session that is still there, of a member that is still active.
 *
 * @throws TOKEN_INVALID, TOKEN_EXPIRED, SESSION_REVOKED; CALLER_GONE once the signal has aborted
 */
export async function authenticate(auth: Auth, accessToken: string, signal?: AbortSignal): Promise<AccessToken> {
  return (await identify(auth, accessToken, signal)).token;
}

/**
 * May the member of this token do that? One store look-up, begun after the question: session, roles and their versions, and what
 * the resource is in, together, so the decision is by what holds now.
 *
 * @param question.address from where it is asked, for the audit of refusals
 * @param question.filtered whether the caller gets a condition (`seen`), and then reads only things for which that holds (`Policies.seen`)
 * @throws as {@link authenticate}, or PERMISSION_DENIED
 */
export async function authorize(
  auth: Auth,
  {
    accessToken,
    action,
    resource,
    filtered = false,
    address = '',
  }: { accessToken: string; filtered?: boolean | undefined; address?: string | undefined } & Asked,
  signal?: AbortSignal,
): Promise<AccessToken & Pick<SessionFacts, 'tenures'> & { seen?: Condition }> {
  let actorId: string | undefined;
  try {
    const token = await auth.accessTokens.verify(accessToken);
    actorId = token.memberId;
    const { roles, tenures, ...facts } = await sessionFacts(auth, token, signal, aboutOf([resource], [action]));
    const load = () => withPolicies(auth, roles);
    const question = questionOf({ memberId: token.memberId, action, resource }, facts);
    const answer = await (filtered ? auth.policies.seen(question, roles, load) : auth.policies.decide(question, roles, load));
    if (answer === 'unknown') throw permissionDenied('PERMISSION_DENIED', `there is no action ${action} on ${resource.type}`);
    if (answer === 'denied')
      throw permissionDenied('PERMISSION_DENIED', `you may not do this: it needs the permission ${action}`);
    authorizations.inc({ outcome: 'allowed' });
    return { ...token, tenures, ...(answer === 'allowed' ? {} : { seen: answer }) };
  } catch (error) {
    authorizations.inc({ outcome: outcomeOf(error) });
    // Which action a stranger names says nothing, so it is not counted by that.
    auth.audit.refused(error, { action: actorId === undefined ? 'auth.authenticate' : action, address, actorId });
    throw error;
  }
}

/** On whose authority a saga passes its pivot: a member's, whose permit still holds; or the system's own. */
export type Authority = ({ permit: Permit } & Pick<SessionFacts, 'roles' | 'tenures'>) | { command: string };

/** In place of a permit, of a saga that the system itself has begun: its command. */
const COMMAND = /^[a-z][a-z-]*\.[a-z][a-z-]*$/;

/**
 * Looks whether what a saga was allowed to begin is still allowed: by the member's state, its session and its roles as they
 * are now. Asked for by the saga's pivot, so that what was taken away before does not happen any more.
 *
 * @param sealed the permit; where the system itself began the saga, its command
 * @param closedMemberId whose login the saga has closed itself: it is not held against its own permit
 * @throws PERMISSION_REVOKED; INVALID_ARGUMENT for what is no permit
 */
export async function requirePermit(
  auth: Pick<Auth, 'store' | 'sessions' | 'policies' | 'permits' | 'audit'>,
  sealed: string,
  closedMemberId?: string,
): Promise<Authority> {
  if (COMMAND.test(sealed)) return { command: sealed };
  const permit = auth.permits.open(sealed);
  const { memberId, action, resource } = permit;
  const found = await auth.sessions.facts(permit, {
    closed: memberId === closedMemberId,
    about: aboutOf([resource], [action]),
  });
  if (found) {
    const { roles, tenures, ...facts } = found;
    const question = questionOf({ memberId, action, resource }, facts);
    if ((await auth.policies.decide(question, roles, () => withPolicies(auth, roles))) === 'allowed')
      return { permit, roles, tenures };
  }
  const error = permissionRevoked();
  auth.audit.refused(error, { action, actorId: memberId });
  throw error;
}

/** For so long one who asks much may keep all others waiting. */
const TURN_MS = 10;

/** What is answered of each, in order. Policies that are not parsed yet can take long: others have their turn in between. */
export async function inTurns<Item, Answer>(
  items: readonly Item[],
  answer: (item: Item) => Promise<Answer>,
  signal?: AbortSignal,
): Promise<Answer[]> {
  const answers: Answer[] = [];
  let since = performance.now();
  for (const item of items) {
    if (performance.now() - since > TURN_MS) {
      await setImmediate();
      if (signal?.aborted) throw callerGone();
      since = performance.now();
    }
    answers.push(await answer(item));
  }
  return answers;
}

/**
 * What of all this may the member of this token do? Answered in the order asked, by one store look-up for all.
 *
 * @param checks.goneFrom of a group that is gone, and that everybody could find: the one that it was in. It is decided on as if it was there
 *   still; nothing is allowed where that one is gone, too
 * @throws as {@link authenticate}
 */
export const check = async (auth: Auth, asked: Checks, signal?: AbortSignal): Promise<boolean[]> =>
  (await checkAll(auth, asked, signal)).allowed;

interface Checks {
  accessToken: string;
  checks: readonly (Asked & { goneFrom?: string | undefined })[];
}

/** The same with stamps: see {@link stampOf}. */
export async function checkAll(
  auth: Auth,
  { accessToken, checks }: Checks,
  signal?: AbortSignal,
): Promise<{ allowed: boolean[]; stamps: () => string[] }> {
  const resources = checks.map(({ resource, goneFrom }) => (goneFrom === undefined ? resource : groupOf(goneFrom)));
  const about = aboutOf(
    resources,
    checks.map(({ action }) => action),
  );
  const { token, roles, ...facts } = await identify(auth, accessToken, signal, about);
  let loading: Promise<Role[]> | undefined;
  const load = () => (loading ??= withPolicies(auth, roles));
  const decide = async ({ action, resource, goneFrom }: (typeof checks)[number]) => {
    if (goneFrom !== undefined && !facts.places.has(goneFrom)) return false;
    const asked = questionOf(
      { memberId: token.memberId, action, resource: goneFrom === undefined ? resource : groupOf(goneFrom) },
      facts,
    );
    const question = goneFrom === undefined ? asked : askedBelow(asked, resource.id, true);
    return (await auth.policies.decide(question, roles, load)) === 'allowed';
  };
  const allowed = await inTurns(checks, decide, signal);
  const stampAt = (id: string): string => {
    const place = facts.places.get(id);
    return place ? stampOf(place, roles) : '';
  };
  return { allowed, stamps: () => checks.map(({ resource }) => (resource.type === 'Group' ? stampAt(resource.id) : '')) };
}

/** Those of these members that a member may read. */
export async function readableOf(
  auth: Pick<Auth, 'store' | 'sessions' | 'policies'>,
  memberId: string,
  memberIds: readonly string[],
): Promise<Set<string>> {
  const action = 'member.read' satisfies Action;
  const found = await auth.sessions.factsOfMember(memberId, { ...NOTHING_ASKED, members: memberIds, actions: [action] });
  if (!found) return new Set();
  const { roles, ...facts } = found;
  let loading: Promise<Role[]> | undefined;
  const load = () => (loading ??= withPolicies(auth, roles));
  const answers = await inTurns(memberIds, async (id) => {
    const question = questionOf({ memberId, action, resource: { type: 'Member', id, ownerId: '' } }, facts);
    return (await auth.policies.decide(question, roles, load)) === 'allowed';
  });
  return new Set(memberIds.filter((_, at) => answers[at]));
}

export const withPolicies = ({ store }: Pick<Auth, 'store'>, roles: readonly RoleVersion[]): Promise<Role[]> =>
  store.roles.find({ _id: { $in: roles.map(({ _id }) => _id) } }).toArray();

/**
 * Verifies the token, and asks the store for what holds of its session.
 *
 * @param about what is asked for besides
 */
async function identify(
  auth: Auth,
  accessToken: string,
  signal?: AbortSignal,
  about?: About,
): Promise<SessionFacts & { token: AccessToken }> {
  const token = await auth.accessTokens.verify(accessToken);
  return { token, ...(await sessionFacts(auth, token, signal, about)) };
}

/** What holds of a genuine token's session. @throws SESSION_REVOKED, CALLER_GONE */
async function sessionFacts(
  { sessions }: Auth,
  token: AccessToken,
  signal: AbortSignal | undefined,
  about?: About,
): Promise<SessionFacts> {
  const found = await sessions.facts(token, about ? { about } : {});
  // Nobody waits for what follows.
  if (signal?.aborted) throw callerGone();
  if (!found) throw sessionRevoked();
  return found;
}

export const groupOf = (id: string): Resource => ({ type: 'Group', id, ownerId: '' });
