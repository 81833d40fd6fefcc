import { Counter } from '@prometheus-io/client';
import { callerGone, permissionDenied, unauthenticated } from '#platform/errors.ts';
import { metrics } from '#platform/process/telemetry.ts';
import type { AccessToken } from './access-tokens.ts';
import type { Auth } from './auth.ts';
import type { Role } from './domain.ts';
import { outcomeOf } from './outcome.ts';
import type { Question, RoleVersion } from './policies.ts';

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
 * May the member of this token do that? One store look-up, begun after the question: session, roles and their versions
 * together, so the decision is by what holds now.
 *
 * @throws as {@link authenticate}, or PERMISSION_DENIED
 */
export async function authorize(
  auth: Auth,
  { accessToken, action, resource }: { accessToken: string } & Omit<Question, 'memberId'>,
  signal?: AbortSignal,
): Promise<AccessToken> {
  try {
    const { token, roles } = await identify(auth, accessToken, signal);
    const load = () => withPolicies(auth, roles);
    const decision = await auth.policies.decide({ memberId: token.memberId, action, resource }, roles, load);
    if (decision === 'unknown') throw permissionDenied('PERMISSION_DENIED', `there is no action ${action} on ${resource.type}`);
    if (decision === 'denied') throw permissionDenied('PERMISSION_DENIED', `you may not ${action}`);
    authorizations.inc({ outcome: 'allowed' });
    return token;
  } catch (error) {
    authorizations.inc({ outcome: outcomeOf(error) });
    throw error;
  }
}

/**
 * What of all this may the member of this token do? Answered in the order asked, by one store look-up for all.
 *
 * @throws as {@link authenticate}
 */
export async function check(
  auth: Auth,
  { accessToken, checks }: { accessToken: string; checks: readonly Omit<Question, 'memberId'>[] },
  signal?: AbortSignal,
): Promise<boolean[]> {
  const { token, roles } = await identify(auth, accessToken, signal);
  let loading: Promise<Role[]> | undefined;
  const load = () => (loading ??= withPolicies(auth, roles));
  const decide = async ({ action, resource }: Omit<Question, 'memberId'>) =>
    (await auth.policies.decide({ memberId: token.memberId, action, resource }, roles, load)) === 'allowed';
  return await Promise.all(checks.map(decide));
}

const withPolicies = ({ store }: Auth, roles: readonly RoleVersion[]): Promise<Role[]> =>
  store.roles.find({ _id: { $in: roles.map(({ _id }) => _id) } }).toArray();

/** Verifies the token, and asks the store for the roles of its member: none of a member that is not active or has not that session. */
async function identify(
  { accessTokens, sessions }: Auth,
  accessToken: string,
  signal: AbortSignal | undefined,
): Promise<{ token: AccessToken; roles: RoleVersion[] }> {
  const token = await accessTokens.verify(accessToken);
  const roles = await sessions.rolesOf(token);
  // Nobody waits for what follows.
  if (signal?.aborted) throw callerGone();
  if (!roles) throw unauthenticated('SESSION_REVOKED');
  return { token, roles };
}
