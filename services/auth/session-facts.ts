import type { MemberStatus } from './domain.ts';
import type { RoleVersion } from './policy-sets.ts';
import type { About, Facts } from './question.ts';

// What is asked of the store about sessions, and what it says.

/** Names a session of a member, as its tokens do. */
export interface SessionOf {
  memberId: string;
  sessionId: string;
}

/** What is asked for of a session, and of what it is about to do something to. */
export interface Asked extends SessionOf {
  about: About;
}

/** What the store says of a session. */
export interface SessionFacts extends Facts {
  /** The roles of its member. */
  roles: RoleVersion[];
  /** How often it was bound to a position, or for longer or less long than before. */
  tenures: number;
}

/** Of which members sessions hold: of those that are so; `any`: of all, whether there is a session or not. */
export type Wanted = Extract<MemberStatus, 'active' | 'suspended'> | 'any';

/** Whether what is asked for holds. */
export const holds = (member: { status: MemberStatus; sessionIds: string[] }, sessionId: string, wanted: Wanted): boolean =>
  wanted === 'any' || (member.status === wanted && member.sessionIds.includes(sessionId));

/** Those of a member's sessions that are asked for and not over, as an expression over its document. */
export function sessionsAsked(asked: readonly SessionOf[], now: Date): object {
  const sessionIds = asked.map(({ sessionId }) => sessionId);
  const isAsked = { $and: [{ $in: ['$$this.id', sessionIds] }, { $gt: ['$$this.expiresAt', now] }] };
  return { $map: { input: { $filter: { input: '$sessions', cond: isAsked } }, in: '$$this.id' } };
}

/** How often a member was bound to a position, or for how long that is was changed, as an expression over its document. */
export const TENURES = { $ifNull: ['$tenures', 0] };

/** A list that a document may lack, as an expression. */
export const orNone = (field: string): object => ({ $ifNull: [field, []] });

/** All that is in any of several lists, as an expression. They are made a set once, not with each list: there may be a thousand of them. */
export const inAny = (lists: string | object): object => ({
  $setUnion: [{ $reduce: { input: lists, initialValue: [], in: { $concatArrays: ['$$value', '$$this'] } } }],
});

/** The members that are asked about, and those who ask. */
export const membersAsked = (asked: readonly Asked[]): string[] => [
  ...new Set(asked.flatMap(({ memberId, about }) => [memberId, ...about.members])),
];
