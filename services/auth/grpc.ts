import { invalidFields } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { toMongoError } from '#platform/mongo.ts';
import type { AuthServiceService, PermissionCheck, Resource, TokenResponse } from '#proto/musubi/auth/v1/auth.ts';
import { authenticate, authorize, check } from './access.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import type { Auth } from './auth.ts';
import { bindLogin } from './commands/bind-login.ts';
import { grantRoles } from './commands/grant-roles.ts';
import { logIn, type Tokens } from './commands/log-in.ts';
import { logOut } from './commands/log-out.ts';
import { putRoles } from './commands/put-roles.ts';
import { rebindLogin } from './commands/rebind-login.ts';
import { refreshSession } from './commands/refresh-session.ts';
import { removeLogin } from './commands/remove-login.ts';
import { stagePassword } from './commands/stage-password.ts';
import { suspendLogin } from './commands/suspend-login.ts';
import { undo } from './commands/undo.ts';
import { DEVICE_COOKIE_SECONDS } from './device-cookies.ts';
import { MAX_ID_LENGTH } from './domain.ts';
import type { KeyRing } from './signing-keys.ts';

type AuthHandlers = Handlers<typeof AuthServiceService>;

/** The Auth service on gRPC: proto ↔ command. */
export function authHandlers(auth: Auth, keys: KeyRing): AuthHandlers {
  const { store } = auth;
  return withStoreErrors({
    login: async (request, { signal }) => {
      if (request.source.length > MAX_ID_LENGTH) throw wrong('source', `must have at most ${MAX_ID_LENGTH} characters`);
      return toTokenResponse(await logIn(auth, request, signal));
    },
    refresh: async ({ refreshToken }) => toTokenResponse(await refreshSession(auth, refreshToken)),
    logout: async ({ accessToken }) => {
      await logOut(auth, accessToken);
      return {};
    },
    getJwks: async () => ({ jwksJson: JSON.stringify(keys.jwks()) }),
    authenticate: ({ accessToken }) => authenticate(auth, accessToken),
    authorize: ({ accessToken, action, resource }) => authorize(auth, { accessToken, ...question({ action, resource }, '') }),
    check: async ({ accessToken, checks }) => {
      if (checks.length === 0 || checks.length > MAX_CHECKS) throw wrong('checks', `must be 1 to ${MAX_CHECKS}`);
      const questions = checks.map((one, index) => question(one, `checks[${index}].`));
      return { allowed: await check(auth, { accessToken, checks: questions }) };
    },
    stagePassword: async ({ password }, { signal }) => ({
      passwordRef: await stagePassword(store, auth.passwords, password, signal),
    }),
    bindLogin: async (request) => {
      await bindLogin(store, request);
      return {};
    },
    grantRoles: async (request) => {
      if (request.roleIds.length > MAX_ROLES) throw wrong('roleIds', `must be at most ${MAX_ROLES}`);
      await grantRoles(store, request);
      return {};
    },
    rebindLogin: async (request) => {
      await rebindLogin(store, request);
      return {};
    },
    suspendLogin: async (request) => {
      await suspendLogin(store, request);
      return {};
    },
    removeLogin: async (request) => {
      await removeLogin(store, request);
      return {};
    },
    undo: async ({ operationId }) => {
      await undo(store, operationId);
      return {};
    },
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
const MAX_ROLES = 100;

/** What Auth is asked, bounded before anything is done with it. @param path where the question stands in the request */
function question({ action, resource }: PermissionCheck, path: string): { action: string; resource: Resource } {
  if (!resource) throw missing(`${path}resource`);
  const { type, id, ownerId } = resource;
  for (const [field, text] of Object.entries({ action, 'resource.type': type, 'resource.id': id, 'resource.ownerId': ownerId })) {
    if (text.length > MAX_ID_LENGTH) throw wrong(`${path}${field}`, `must have at most ${MAX_ID_LENGTH} characters`);
  }
  return { action, resource };
}

const wrong = (field: string, message: string) => invalidFields([{ field, message }]);
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
