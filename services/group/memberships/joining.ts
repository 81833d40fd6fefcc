import { INVITED_DAYS } from '#platform/validation/group-fields.ts';
import type { MembershipChange as Asked } from '#proto/musubi/group/v1/group.ts';
import type { MembershipChange, Ties } from '../domain.ts';
import {
  alreadyInvited,
  alreadyMember,
  alreadyRequested,
  invalidEnd,
  invitationNotFound,
  notMember,
  requestNotFound,
  unknownChange,
} from '../refusals.ts';

// How members come into groups, and go: what can be done to whom. No I/O.

/** What is said of a change. */
export interface Given {
  memberId: string;
  /** Tidy; null: nothing is said. */
  reason: string | null;
  inviterId?: string | undefined;
  /** As RFC 3339 writes it; absent: in as many days as are usual. */
  until?: string | undefined;
}

const DAY_MS = 86_400_000;

/**
 * What becomes of a membership by what is asked. Who has asked is let in or not, and who is invited accepts or not: neither is invited, or
 * asks, meanwhile. Who comes in in another way is in.
 *
 * @throws ALREADY_MEMBER, NOT_MEMBER, ALREADY_REQUESTED, ALREADY_INVITED, JOIN_REQUEST_NOT_FOUND, INVITATION_NOT_FOUND
 */
export function becomes(asked: Asked, before: Ties, { memberId, reason, inviterId, until }: Given, now: Date): MembershipChange {
  switch (asked) {
    case 'MEMBERSHIP_CHANGE_JOIN':
    case 'MEMBERSHIP_CHANGE_ADD':
      return comesIn(before);
    case 'MEMBERSHIP_CHANGE_APPROVE':
      if (!before.joinedAt) requireRequest(before);
      return comesIn(before);
    case 'MEMBERSHIP_CHANGE_ACCEPT':
      if (!before.joinedAt && !(before.until && before.until > now)) throw invitationNotFound();
      return comesIn(before);
    case 'MEMBERSHIP_CHANGE_LEAVE':
    case 'MEMBERSHIP_CHANGE_EXPEL':
      if (!before.joinedAt) throw notMember(memberId);
      return { isMember: false, reason };
    case 'MEMBERSHIP_CHANGE_REQUEST':
      requireNoCandidate(before, now);
      // One whose time is over is taken away first: until then Auth goes by it.
      if (before.invitedAt) throw alreadyInvited();
      return { becomes: 'requested', message: reason };
    case 'MEMBERSHIP_CHANGE_DECLINE_REQUEST':
      requireRequest(before);
      return { becomes: 'declined', reason };
    case 'MEMBERSHIP_CHANGE_WITHDRAW_REQUEST':
      if (!before.requestedAt) throw requestNotFound();
      return { becomes: 'nothing' };
    case 'MEMBERSHIP_CHANGE_INVITE':
      requireNoCandidate(before, now);
      return { becomes: 'invited', inviterId: inviterId ?? '', until: requireEnd(until, now) };
    case 'MEMBERSHIP_CHANGE_DECLINE_INVITATION':
    case 'MEMBERSHIP_CHANGE_WITHDRAW_INVITATION':
      if (!before.invitedAt) throw invitationNotFound();
      return { becomes: 'nothing' };
    case 'MEMBERSHIP_CHANGE_EXPIRE_INVITATION':
      if (!isInvitedUntil(before, until)) throw invitationNotFound();
      return { becomes: 'nothing' };
    default:
      throw unknownChange();
  }
}

/** Whether it is still this invitation: another one may have come in its place. */
export const isInvitedUntil = (ties: Ties, until: string | undefined): boolean =>
  ties.until !== null && ties.until.getTime() === Date.parse(until ?? '');

function comesIn({ joinedAt }: Ties): MembershipChange {
  if (joinedAt) throw alreadyMember();
  return { isMember: true, reason: null };
}

function requireRequest({ requestedAt, declinedAt }: Ties): void {
  if (!requestedAt || declinedAt) throw requestNotFound();
}

function requireNoCandidate({ joinedAt, requestedAt, declinedAt, until }: Ties, now: Date): void {
  if (joinedAt) throw alreadyMember();
  if (until && until > now) throw alreadyInvited();
  if (requestedAt && !declinedAt) throw alreadyRequested();
}

/** @throws INVALID_ARGUMENT unless it is in the future, and not too far in it */
function requireEnd(until: string | undefined, now: Date): string {
  const at = until === undefined ? now.getTime() + INVITED_DAYS.default * DAY_MS : Date.parse(until);
  // What is no time is neither.
  if (!(at > now.getTime() && at <= now.getTime() + INVITED_DAYS.most * DAY_MS)) throw invalidEnd();
  return new Date(at).toISOString();
}
