import { invalidFields } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { toMongoError } from '#platform/mongo/database.ts';
import { serveSteps } from '#platform/operations/mongo.ts';
import type { StepHandlers } from '#platform/operations/step.ts';
import { LONGEST_NAME } from '#platform/validation/fields.ts';
import { requireId } from '#platform/validation/id.ts';
import type { AuthServiceService, PermissionCheck, Resource, TokenResponse } from '#proto/musubi/auth/v1/auth.ts';
import { authenticate, authorize, check } from './access.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import type { Auth } from './auth.ts';
import { DEVICE_COOKIE_SECONDS } from './device-cookies.ts';
import { logIn, type Tokens } from './rpcs/log-in.ts';
import { logOut } from './rpcs/log-out.ts';
import { putRoles } from './rpcs/put-roles.ts';
import { refreshSession } from './rpcs/refresh-session.ts';
import { stagePassword } from './rpcs/stage-password.ts';
import type { KeyRing } from './signing-keys.ts';
import { bindLogin, leavingNoPassword } from './steps/bind-login.ts';
import { endSessions } from './steps/end-sessions.ts';
import { grantRoles } from './steps/grant-roles.ts';
import { rebindLogin } from './steps/rebind-login.ts';
import { reinstateLogin } from './steps/reinstate-login.ts';
import { removeLogin } from './steps/remove-login.ts';
import { suspendLogin } from './steps/suspend-login.ts';
import type { AuthStep, Store } from './store.ts';

type AuthHandlers = Handlers<typeof AuthServiceService>;

/** Bytes: the largest request is all roles with their policies. */
export const AUTH_LIMITS = { 'grpc.max_receive_message_length': 4_194_304 };

/** The steps of sagas, and their undo. @throws INVALID_ARGUMENT for a member ID that nobody can have */
export function authSteps(store: Store): StepHandlers<AuthServiceService> {
  const steps = serveSteps<AuthServiceService, Store>(store, {
    bindLogin: ofMember(bindLogin),
    grantRoles: ofMember(grantRoles),
    rebindLogin: ofMember(rebindLogin),
    suspendLogin: ofMember(suspendLogin),
    endSessions: ofMember(endSessions),
    reinstateLogin: ofMember(reinstateLogin),
    removeLogin: ofMember(removeLogin),
  });
  return { ...steps, bindLogin: leavingNoPassword(store, (request) => steps.bindLogin(request)) };
}

/** A step about a member: what is no ID of one is refused first. */
const ofMember = <Request extends { memberId: string }, Response, Kept>(
  step: AuthStep<Request, Response, Kept>,
): AuthStep<Request, Response, Kept> => ({
  ...step,
  do: async (tx, request) => {
    requireId('memberId', request.memberId);
    return await step.do(tx, request);
  },
});

/** The Auth service on gRPC. */
export function authHandlers(auth: Auth, keys: KeyRing): AuthHandlers {
  const { store } = auth;
  return withStoreErrors({
    ...authSteps(store),
    login: async (request, { signal }) => {
      if (request.source.length > LONGEST_NAME) throw tooLong('source');
      return toTokenResponse(await logIn(auth, request, signal));
    },
    refresh: async ({ refreshToken }) => toTokenResponse(await refreshSession(auth, refreshToken)),
    logout: async ({ accessToken }) => {
      await logOut(auth, accessToken);
      return {};
    },
    getJwks: async () => ({ jwksJson: JSON.stringify(keys.jwks()) }),
    authenticate: ({ accessToken }, { signal }) => authenticate(auth, accessToken, signal),
    authorize: ({ accessToken, action, resource }, { signal }) =>
      authorize(auth, { accessToken, ...question({ action, resource }, '') }, signal),
    check: async ({ accessToken, checks }, { signal }) => {
      if (checks.length === 0 || checks.length > MAX_CHECKS) throw wrong('checks', `must be 1 to ${MAX_CHECKS}`);
      const questions = checks.map((one, index) => question(one, `checks[${index}].`));
      return { allowed: await check(auth, { accessToken, checks: questions }, signal) };
    },
    stagePassword: async ({ password }, { signal }) => ({
      passwordRef: await stagePassword(store, auth.passwords, password, signal),
    }),
    putRoles: async ({ roles }) => {
      const converted = roles.map(({ roleId, version, policies }, index) => {
        if (roleId === '') throw missing(`roles[${index}].roleId`);
        return { _id: roleId, version, policies };
      });
      await putRoles(store, auth.policies, converted);
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
  return { action, resource };
}

const wrong = (field: string, message: string) => invalidFields([{ field, message }]);
const tooLong = (field: string) => wrong(field, `must have at most ${LONGEST_NAME} characters`);
const missing = (field: string) => invalidFields([{ field, code: 'REQUIRED', message: 'is missing' }]);

/** A store that is away is UNAVAILABLE to callers, wherever a call met it; not a defect of ours. */
function withStoreErrors(handlers: AuthHandlers): AuthHandlers {
  const guarded = Object.entries(handlers as Record<string, (request: unknown, call: unknown) => Promise<unknown>>).map(
    ([name, handle]) => [
      name,
      async (request: unknown, call: unknown): Promise<unknown> => {
        try {
          return await handle(request, call);
        } catch (error) {
          throw toMongoError(error);
        }
      },
    ],
  );
  return Object.fromEntries(guarded) as AuthHandlers;
}
