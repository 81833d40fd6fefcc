import { MusubiError } from '#platform/errors.ts';
import { serveSteps } from '#platform/operations/mongo.ts';
import type { StepHandlers } from '#platform/operations/step.ts';
import { requireId } from '#platform/validation/id.ts';
import type { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import type { Auth } from './auth.ts';
import { type PermittedStep, permitted } from './permitted.ts';
import { addGroup } from './steps/add-group.ts';
import { addRole } from './steps/add-role.ts';
import { admitMembers, allowAdditions, endAdditions } from './steps/additions.ts';
import { allowArchive } from './steps/allow-archive.ts';
import { attachPolicy } from './steps/attach-policy.ts';
import { bindLogin } from './steps/bind-login.ts';
import { changeGroup } from './steps/change-group.ts';
import { changePassword } from './steps/change-password.ts';
import { changePolicy } from './steps/change-policy.ts';
import { changeRoles } from './steps/change-roles.ts';
import { changeStandings } from './steps/change-standings.ts';
import { confirmPermit } from './steps/confirm-permit.ts';
import { detachPolicy } from './steps/detach-policy.ts';
import { endSessions } from './steps/end-sessions.ts';
import { forgetGroups } from './steps/forget-groups.ts';
import { grantRoles } from './steps/grant-roles.ts';
import { moveGroup } from './steps/move-group.ts';
import { putPosition } from './steps/put-position.ts';
import { rebindLogin } from './steps/rebind-login.ts';
import { reinstateLogin } from './steps/reinstate-login.ts';
import { releaseLogin } from './steps/release-login.ts';
import { removeGroups } from './steps/remove-groups.ts';
import { removeLogin } from './steps/remove-login.ts';
import { removePosition } from './steps/remove-position.ts';
import { removeRole } from './steps/remove-role.ts';
import { settlePassword } from './steps/settle-password.ts';
import { suspendLogin } from './steps/suspend-login.ts';
import type { AuthStep, Store } from './store.ts';

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
    addGroup: permitted(auth, addGroup),
    changeGroup: permitted(auth, changeGroup),
    moveGroup: permitted(auth, moveGroup),
    allowArchive: permitted(auth, allowArchive),
    removeGroups: permitted(auth, removeGroups),
    forgetGroups: unpermitted(auth, forgetGroups),
    changeStandings: permitted(auth, changeStandings),
    allowAdditions: permitted(auth, allowAdditions),
    admitMembers: admitMembers(auth),
    endAdditions: unpermitted(auth, endAdditions),
    putPosition: permitted(auth, putPosition),
    removePosition: permitted(auth, removePosition),
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
export async function settled<Answer>({ pivots }: Store, work: Promise<Answer>): Promise<Answer> {
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
