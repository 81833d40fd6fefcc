import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, websocket } = services;

export interface ChangePasswordInput {
  memberId: string;
  /** The session that asks for it: it stays. */
  sessionId: string;
  /** Where Auth keeps the new password's hash (auth.StagePasswordChange). */
  passwordRef: string;
  endOtherSessions: boolean;
}

const ofMember = (memberId: string) => ({ memberId });

/** Changes a member's password, and if asked ends its other sessions with all that they have open, or does neither. */
export const changePassword = saga(
  'auth.change-password',
  [[pivot(auth.changePassword), finish(auth.settlePassword, ofMember), finish(websocket.closeSockets, ofMember)]],
  async ({ step }, { memberId, sessionId, passwordRef, endOtherSessions }: ChangePasswordInput) => {
    await step(auth.changePassword, { memberId, sessionId, passwordRef, endOtherSessions });
    await step(auth.settlePassword, { memberId });
    if (endOtherSessions) await step(websocket.closeSockets, { memberId });
    return { id: memberId };
  },
);
