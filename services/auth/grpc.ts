import { invalidFields, MusubiError } from '#platform/errors.ts';
import type { Handlers } from '#platform/grpc/server.ts';
import { toMongoError } from '#platform/mongo/database.ts';
import { serveSteps } from '#platform/operations/mongo.ts';
import type { StepHandlers } from '#platform/operations/step.ts';
import { currentTraceId } from '#platform/process/telemetry.ts';
import { LONGEST_NAME } from '#platform/validation/fields.ts';
import { requireId } from '#platform/validation/id.ts';
import type { AuthServiceService, Origin, PermissionCheck, Resource, TokenResponse } from '#proto/musubi/auth/v1/auth.ts';
import { authenticate, authorize, check, simulate } from './access.ts';
import { ACCESS_TOKEN_SECONDS } from './access-tokens.ts';
import type { Auth } from './auth.ts';
import { toWire } from './conditions-wire.ts';
import { DEVICE_COOKIE_SECONDS } from './device-cookies.ts';
import { isReading } from './partial-evaluation.ts';
import type { Permit } from './permits.ts';
import { type PermittedStep, permitted } from './permitted.ts';
import { saysTooMuch } from './question.ts';
import { checkRename } from './rpcs/check-rename.ts';
import { correctLogin, correctRole } from './rpcs/corrections.ts';
import { endOwnSession } from './rpcs/end-session.ts';
import { confirmErasures, listErasures, noteErasures } from './rpcs/erasures.ts';
import { exportAuditEvents, listAuditEvents } from './rpcs/list-audit-events.ts';
import { listLogins, listRoles } from './rpcs/list-copies.ts';
import { listHeldLogins } from './rpcs/list-held-logins.ts';
import { listSessions } from './rpcs/list-sessions.ts';
import { logIn, type Tokens } from './rpcs/log-in.ts';
import { logOut } from './rpcs/log-out.ts';
import { putRoles } from './rpcs/put-roles.ts';
import { refreshSession } from './rpcs/refresh-session.ts';
import { stagePassword } from './rpcs/stage-password.ts';
import { stagePasswordChange } from './rpcs/stage-password-change.ts';
import type { KeyRing } from './signing-keys.ts';
import { addRole } from './steps/add-role.ts';
import { attachPolicy } from './steps/attach-policy.ts';
import { bindLogin } from './steps/bind-login.ts';
import { changePassword } from './steps/change-password.ts';
import { changePolicy } from './steps/change-policy.ts';
import { changeRoles } from './steps/change-roles.ts';
import { confirmPermit } from './steps/confirm-permit.ts';
import { detachPolicy } from './steps/detach-policy.ts';
import { endSessions } from './steps/end-sessions.ts';
import { grantRoles } from './steps/grant-roles.ts';
import { rebindLogin } from './steps/rebind-login.ts';
import { reinstateLogin } from './steps/reinstate-login.ts';
import { releaseLogin } from './steps/release-login.ts';
import { removeLogin } from './steps/remove-login.ts';
import { removeRole } from './steps/remove-role.ts';
import { settlePassword } from './steps/settle-password.ts';
import { suspendLogin } from './steps/suspend-login.ts';
import type { AuthStep, Store } from './store.ts';

type AuthHandlers = Handlers<typeof AuthServiceService>;

/** Bytes: the largest request is all roles with their policies. */
export const AUTH_LIMITS = { 'grpc.max_receive_message_length': 4_194_304 };

/** The steps of sagas, and their undo. @throws INVALID_ARGUMENT for a member ID that nobody can have */
export function authSteps(
  auth: Pick<Auth, 'store' | 'sessions' | 'policies' | 'permits' | 'audit'>,
): StepHandlers<AuthServiceService> {
  const { store } = auth;
  const all = {
    bindLogin: unpermitted(auth, ofMember(bindLogin)),
    grantRoles: permitted(auth, ofMember(grantRoles)),
    rebindLogin: permitted(auth, ofMember(rebindLogin)),
    suspendLogin: permitted(auth, ofMember(suspendLogin)),
    endSessions: unpermitted(auth, ofMember(endSessions)),
    reinstateLogin: permitted(auth, ofMember(reinstateLogin)),
    changePassword: permitted(auth, ofMember(changePassword)),
    settlePassword: unpermitted(auth, ofMember(settlePassword)),
    removeLogin: unpermitted(auth, ofMember(removeLogin)),
    releaseLogin: permitted(auth, ofHold(releaseLogin)),
    addRole: permitted(auth, addRole),
    removeRole: permitted(auth, removeRole),
    attachPolicy: permitted(auth, attachPolicy),
    detachPolicy: permitted(auth, detachPolicy),
    changePolicy: permitted(auth, changePolicy),
    changeRoles: permitted(auth, ofMember(changeRoles)),
    confirmPermit: permitted(auth, confirmPermit),
  };
  const steps = settling(store, serveSteps<AuthServiceService, Store>(store, all), all);
  return {
    ...steps,
    bindLogin: leavingNoPassword(store, (request) => steps.bindLogin(request)),
    changePassword: leavingNoPassword(store, (request) => steps.changePassword(request)),
  };
}

/** The handlers of steps, of which those that take something away are {@link settled}. */
function settling<Handlers extends StepHandlers<AuthServiceService>>(
  store: Store,
  handlers: Handlers,
  steps: Readonly<Record<string, Pick<AuthStep<never, unknown, never>, 'takesAway'>>>,
): Handlers {
  const served = Object.entries(handlers as unknown as Record<string, (request: never) => Promise<unknown>>);
  const settles = ([name, handle]: (typeof served)[number]) => {
    const takesAway = steps[name]?.takesAway ?? false;
    const waits = (request: never): boolean => (typeof takesAway === 'function' ? takesAway(request) : takesAway);
    return [name, (request: never) => (waits(request) ? settled(store, handle(request)) : handle(request))] as const;
  };
  return Object.fromEntries(served.map(settles)) as unknown as Handlers;
}

/** For what may take a permission away: it is answered once all pivots that looked before it have passed, or have failed. */
async function settled<Answer>({ pivots }: Store, work: Promise<Answer>): Promise<Answer> {
  const answer = await work;
  await pivots.settled();
  return answer;
}

/** A step that leaves nothing behind of a password that it was refused with: it is not tried again with that one. */
function leavingNoPassword<Request extends { passwordRef: string }, Response>(
  store: Store,
  step: (request: Request) => Promise<Response>,
): (request: Request) => Promise<Response> {
  return async (request) => {
    try {
      return await step(request);
    } catch (error) {
      if (error instanceof MusubiError && !error.retryable) await store.secrets.deleteOne({ _id: request.passwordRef });
      throw error;
    }
  };
}

/** A step about a thing: a text in this field that is no ID is refused before all else. */
const about =
  <Field extends string>(field: Field) =>
  <Request extends Record<Field, string>, Response, Kept>(
    step: PermittedStep<Request, Response, Kept>,
  ): PermittedStep<Request, Response, Kept> => ({
    ...step,
    do: async (tx, request, author, policies) => {
      requireId(field, request[field]);
      return await step.do(tx, request, author, policies);
    },
  });
const ofMember = about('memberId');
const ofHold = about('holdId');

/** A step that no saga has as its pivot. */
const unpermitted = <Request, Response, Kept>(
  { policies }: Pick<Auth, 'policies'>,
  { do: work, undo, takesAway }: PermittedStep<Request, Response, Kept>,
): AuthStep<Request, Response, Kept> => ({
  takesAway,
  do: (tx, request) => work(tx, request, undefined, policies),
  undo,
});

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
      const { memberId, sessionId, seen } = await authorize(auth, asks, signal);
      return {
        memberId,
        sessionId,
        ...(wantsPermit ? { permit: await permitFor(auth, { memberId, sessionId, action, resource }, origin) } : {}),
        ...(seen === undefined ? {} : { seen: toWire(seen) }),
      };
    },
    check: async ({ accessToken, checks }, { signal }) => {
      if (checks.length === 0 || checks.length > MAX_CHECKS) throw wrong('checks', `must be 1 to ${MAX_CHECKS}`);
      const questions = checks.map((one, index) => question(one, `checks[${index}].`));
      return { allowed: await check(auth, { accessToken, checks: questions }, signal) };
    },
    simulate: async ({ accessToken, memberId, check: asked }, { signal }) => {
      requireId('memberId', memberId);
      if (!asked) throw missing('check');
      return await simulate(auth, { accessToken, ...question(asked, 'check.'), memberId }, signal);
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
    correctLogin: async (request) => {
      requireId('memberId', request.memberId);
      return { corrected: await settled(store, correctLogin(store, request)) };
    },
    correctRole: async (request) => {
      if (request.roleId === '') throw missing('roleId');
      return { corrected: await settled(store, correctRole(store, auth.policies, request)) };
    },
    confirmErasures: async (request) => ({ memberIds: await confirmErasures(auth, request) }),
    noteErasures: async (request) => ({ overdueMemberIds: await noteErasures(store, request) }),
    listErasures: (request) => listErasures(store, request),
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
