import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member, websocket } = services;

export interface SuspendMemberInput {
  memberId: string;
  /** Who suspends it: not the member itself. */
  byMemberId: string;
  /** Why; absent: nobody says. */
  reason?: string;
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

const ofMember = (memberId: string) => ({ memberId });

/** Keeps a member out, with all that it has open, or does nothing to it. Its roles stay. What it has asked for does not pass its pivot any more. */
export const suspendMember = saga(
  'member.suspend',
  [
    [
      member.closeMember,
      member.beginSuspend,
      pivot(auth.suspendLogin),
      finish(auth.endSessions, ofMember),
      finish(websocket.closeSockets, ofMember),
      finish(member.suspendMember, ofMember),
    ],
  ],
  async ({ step }, { memberId, byMemberId, reason, expectedVersion }: SuspendMemberInput) => {
    // What the member itself still sends must not hold this up.
    await step(member.closeMember, { memberId, expectedVersion, reopens: true });
    await step(member.beginSuspend, { memberId, byMemberId, reason, expectedVersion });
    // From here on it is refused everywhere. What can not be given back comes after that: sessions and sockets.
    await step(auth.suspendLogin, { memberId });
    await step(auth.endSessions, { memberId });
    await step(websocket.closeSockets, { memberId });
    await step(member.suspendMember, { memberId });
    return { id: memberId };
  },
);
