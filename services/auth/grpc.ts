import { invalidFields } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { toMongoError } from '#platform/mongo/database.ts';
import { currentTraceId } from '#platform/process/telemetry.ts';
import { LONGEST_NAME } from '#platform/validation/fields.ts';
import { requireId } from '#platform/validation/id.ts';
import type { AuthServiceService, Origin, PermissionCheck, Resource, TokenResponse } from '#proto/musubi/auth/v1/auth.ts';
import { authenticate, authorize, checkAll } from './access.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import type { Auth } from './auth.ts';
import { toWire } from './conditions-wire.ts';
import { DEVICE_COOKIE_SECONDS } from './device-cookies.ts';
import { explainGroup, simulate } from './explain.ts';
import { tieOf, toldPolicies } from './groups/ties.ts';
import { isReading } from './partial-evaluation.ts';
import type { Permit } from './permits.ts';
import { saysTooMuch } from './question.ts';
import { checkRename } from './rpcs/check-rename.ts';
import { correctGroup, correctLogin, correctRole, correctStanding } from './rpcs/corrections.ts';
import { endOwnSession } from './rpcs/end-session.ts';
import { confirmErasures, listErasures, noteErasures } from './rpcs/erasures.ts';
import { exportAuditEvents, listAuditEvents } from './rpcs/list-audit-events.ts';
import { listGroups, listGroupsBelow, listLogins, listRoles, listStandings } from './rpcs/list-copies.ts';
import { listHeldLogins } from './rpcs/list-held-logins.ts';
import { listSessions } from './rpcs/list-sessions.ts';
import { logIn, type Tokens } from './rpcs/log-in.ts';
import { logOut } from './rpcs/log-out.ts';
import { putRoles } from './rpcs/put-roles.ts';
import { putRootGroup } from './rpcs/put-root-group.ts';
import { refreshSession } from './rpcs/refresh-session.ts';
import { stagePassword } from './rpcs/stage-password.ts';
import { stagePasswordChange } from './rpcs/stage-password-change.ts';
import { authSteps, settled } from './saga-steps.ts';
import type { KeyRing } from './signing-keys.ts';

type AuthHandlers = Handlers<typeof AuthServiceService>;

/** Bytes: the largest request is all roles with their policies. */
export const AUTH_LIMITS = { 'grpc.max_receive_message_length': 4_194_304 };

/** The Auth service on gRPC. */
export function authHandlers(auth: Auth, keys: KeyRing): AuthHandlers {
  const { store } = auth;
  return withStoreErrors({
    ...authSteps(auth),
    login: async (request, { signal }) => {
      if (request.source.length > LONGEST_NAME) throw tooLong('source');
      return toTokenResponse(await logIn(auth, request, signal));
    },
    refresh: async ({ refreshToken, origin }) => {
      bounded(origin);
      return toTokenResponse(await refreshSession(auth, refreshToken, { origin }));
    },
    logout: async ({ accessToken, origin }) => {
      bounded(origin);
      await logOut(auth, accessToken, origin);
      return {};
    },
    listSessions: (request, { signal }) => listSessions(auth, request, signal),
    endSession: async (request, { signal }) => {
      requireId('sessionId', request.sessionId);
      bounded(request.origin);
      await endOwnSession(auth, request, signal);
      return {};
    },
    getJwks: async () => ({ jwksJson: JSON.stringify(keys.jwks()) }),
    authenticate: ({ accessToken }, { signal }) => authenticate(auth, accessToken, signal),
    authorize: async ({ accessToken, wantsPermit, filtered, origin, ...asked }, { signal }) => {
      const { action, resource } = question(asked, '');
      bounded(origin);
      if (filtered && !isReading(action)) throw wrong('filtered', 'must come with an action that only reads');
      const asks = { accessToken, filtered, action, resource, address: origin?.address };
      const { memberId, sessionId, tenures, seen } = await authorize(auth, asks, signal);
      return {
        memberId,
        sessionId,
        ...(wantsPermit ? { permit: await permitFor(auth, { memberId, sessionId, action, resource, tenures }, origin) } : {}),
        ...(seen === undefined ? {} : { seen: toWire(seen) }),
      };
    },
    check: async ({ accessToken, checks, stamped = false }, { signal }) => {
      if (checks.length === 0 || checks.length > MAX_CHECKS) throw wrong('checks', `must be 1 to ${MAX_CHECKS}`);
      const questions = checks.map((one, index) => {
        const { goneFrom } = one;
        if (goneFrom !== undefined && goneFrom.length > 2 * LONGEST_NAME) throw tooLong(`checks[${index}].goneFrom`);
        if (goneFrom !== undefined && one.resource?.type !== 'Group')
          throw wrong(`checks[${index}].goneFrom`, 'is for groups only');
        return { ...question(one, `checks[${index}].`), goneFrom };
      });
      const { allowed, stamps } = await checkAll(auth, { accessToken, checks: questions }, signal);
      return { allowed, stamps: stamped ? stamps() : [] };
    },
    simulate: async ({ accessToken, memberId, check: asked }, { signal }) => {
      requireId('memberId', memberId);
      if (!asked) throw missing('check');
      const { policies, ...rest } = await simulate(auth, { accessToken, ...question(asked, 'check.'), memberId }, signal);
      return { ...rest, policies: toldPolicies(policies) };
    },
    explainGroup: async ({ accessToken, memberId, groupId }, { signal }) => {
      requireId('memberId', memberId);
      const actions = await explainGroup(auth, { accessToken, memberId, groupId }, signal);
      const told = actions.map((one) => ({ ...one, policies: toldPolicies(one.policies), wouldDo: one.wouldDo.map(tieOf) }));
      return { actions: told };
    },
    stagePassword: async ({ password }, { signal }) => ({
      passwordRef: await stagePassword(store, auth.passwords, password, signal),
    }),
    checkRename: async ({ memberId }) => {
      await checkRename(store, requireId('memberId', memberId));
      return {};
    },
    listHeldLogins: (request) => {
      if (request.loginId.length > LONGEST_NAME) throw tooLong('loginId');
      return listHeldLogins(store, request);
    },
    listAuditEvents: (request) => listAuditEvents(auth, request),
    exportAuditEvents: (request) => exportAuditEvents(auth, request),
    tellAuditChain: () => auth.audit.chain.tell(),
    stagePasswordChange: async (request, { signal }) => {
      if (request.source.length > LONGEST_NAME) throw tooLong('source');
      return { passwordRef: await stagePasswordChange(auth, request, signal) };
    },
    listLogins: (request) => listLogins(store, request),
    listRoles: (request) => listRoles(store, request),
    listGroups: (request) => listGroups(store, request),
    listGroupsBelow: (request) => listGroupsBelow(store, request),
    listStandings: (request) => listStandings(store, request),
    correctLogin: async (request) => {
      requireId('memberId', request.memberId);
      return { corrected: await settled(store, correctLogin(store, request)) };
    },
    correctRole: async (request) => {
      if (request.roleId === '') throw missing('roleId');
      return { corrected: await settled(store, correctRole(store, auth.policies, request)) };
    },
    correctGroup: async (request) => {
      if (request.groupId === '') throw missing('groupId');
      return { corrected: await settled(store, correctGroup(store, request)) };
    },
    correctStanding: async (request) => {
      requireId('memberId', request.memberId);
      return { corrected: await settled(store, correctStanding(store, request)) };
    },
    confirmErasures: async (request) => ({ memberIds: await confirmErasures(auth, request) }),
    noteErasures: async (request) => ({ overdueMemberIds: await noteErasures(store, request) }),
    listErasures: (request) => listErasures(store, request),
    putRootGroup: async ({ positions }) => {
      await putRootGroup(store, positions);
      return {};
    },
    putRoles: async ({ roles }) => {
      const converted = roles.map(({ roleId, version, policies }, index) => {
        if (roleId === '') throw missing(`roles[${index}].roleId`);
        return { _id: roleId, version, policies };
      });
      await settled(store, putRoles(auth, converted));
      return {};
    },
  });
}

const toTokenResponse = (tokens: Tokens & { deviceCookie?: string }): TokenResponse => ({
  deviceCookie: '',
  ...tokens,
  expiresIn: ACCESS_TOKEN_SECONDS,
  deviceCookieExpiresIn: tokens.deviceCookie ? DEVICE_COOKIE_SECONDS : 0,
});

/** The most that one Check answers. */
const MAX_CHECKS = 100;

/** What Auth is asked, bounded before anything is done with it. @param path where the question stands in the request */
function question({ action, resource }: PermissionCheck, path: string): { action: string; resource: Resource } {
  if (!resource) throw missing(`${path}resource`);
  const { type, id, ownerId } = resource;
  for (const [field, text] of Object.entries({ action, 'resource.type': type, 'resource.id': id, 'resource.ownerId': ownerId })) {
    // In UTF-16 units, which cost nothing to count: this is asked for every request.
    if (text.length > 2 * LONGEST_NAME) throw tooLong(`${path}${field}`);
  }
  if (saysTooMuch(resource)) throw wrong(`${path}resource.ownerId`, `must be left out: who owns a ${type}, Auth knows`);
  return { action, resource };
}

/** What a saga shows at its pivot, with all that the audit is told there. */
async function permitFor({ audit, permits }: Auth, allowed: Permit, origin: Origin | undefined): Promise<string> {
  const from = await audit.seal(allowed.memberId, origin);
  return permits.seal({ ...allowed, from, traceId: currentTraceId() });
}

/** The client's name is cut where it is kept. */
function bounded(origin: Origin | undefined): void {
  if (origin && origin.address.length > LONGEST_NAME) throw tooLong('origin.address');
}

const wrong = (field: string, message: string) => invalidFields([{ field, message }]);
const tooLong = (field: string) => wrong(field, `must have at most ${LONGEST_NAME} characters`);
const missing = (field: string) => invalidFields([{ field, code: 'REQUIRED', message: 'is missing' }]);

/** A store that is away is UNAVAILABLE to callers, wherever a call met it; not a defect of ours. */
function withStoreErrors(handlers: AuthHandlers): AuthHandlers {
  type Handle = (request: unknown, call: unknown) => Promise<unknown> | AsyncIterable<unknown>;
  const fail = (error: unknown) => Promise.reject(toMongoError(error));
  async function* streamed(stream: AsyncIterable<unknown>) {
    try {
      yield* stream;
    } catch (error) {
      throw toMongoError(error);
    }
  }
  const guarded = Object.entries(handlers as unknown as Record<string, Handle>).map(([name, handle]): [string, Handle] => [
    name,
    (request, call) => {
      const answer = handle(request, call);
      return Symbol.asyncIterator in answer ? streamed(answer) : answer.catch(fail);
    },
  ]);
  return Object.fromEntries(guarded) as unknown as AuthHandlers;
}
