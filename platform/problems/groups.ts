import type { ProblemKind } from './kind.ts';

/** What commands and queries of groups, memberships and positions can be refused for. */
export const GROUPS = {
  INVALID_GROUP: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A field of the group breaks a rule.',
    remedy: 'Mend the fields that `errors` names.',
  },
  INVALID_POSITION: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A field of the position breaks a rule.',
    remedy: 'Mend the fields that `errors` names.',
  },
  GROUP_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'There is no such group, or it is not yours to see.',
    remedy: 'Check the ID.',
  },
  POSITION_NOT_FOUND: { status: 'NOT_FOUND', meaning: 'The group has no such position.', remedy: 'Check the IDs.' },
  GROUP_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing this group, or one that it is in, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  POSITION_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing this position, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  MEMBERSHIP_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing what this member is in the group, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  GROUP_CYCLE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The group would be in itself.',
    remedy: 'Move it to a group that is not below it.',
  },
  GROUP_TOO_DEEP: {
    status: 'FAILED_PRECONDITION',
    meaning:
      'There would be more than 100 groups within each other, the whole organisation among them: 99 below it are the most.',
    remedy: 'Choose a group that is less deep.',
  },
  GROUP_ARCHIVED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The group, or one that it is in, is archived, so nothing is changed in it.',
    remedy: 'Restore it first.',
  },
  GROUP_NOT_ARCHIVED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The group is not archived itself.',
    remedy: 'Nothing needs to be done; where one that it is in is archived, restore that.',
  },
  GROUP_NOT_EMPTY: {
    status: 'FAILED_PRECONDITION',
    meaning: 'There are groups in the group.',
    remedy: 'Delete or move them first, or delete all with `cascade=true`.',
  },
  ROOT_GROUP: {
    status: 'FAILED_PRECONDITION',
    meaning: 'This can not be done to the group of the whole organisation, in which everybody is.',
    remedy: 'Choose another group.',
  },
  TOO_MANY_SUBGROUPS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'There are as many groups right in the group as there can be: 10,000.',
    remedy: 'Choose another group, or put one in between.',
  },
  TAG_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'The group has no such tag in its own set.',
    remedy: 'Put it into the set first, or check its name.',
  },
  TAG_EXISTS: {
    status: 'ALREADY_EXISTS',
    meaning: 'Another tag of the group has this name.',
    remedy: 'Choose another name, or send `merge: true` so that both become one.',
  },
  TOO_MANY_TAGS: {
    status: 'FAILED_PRECONDITION',
    meaning:
      'The set has as many tags as it can have: 100, or 1,000 with those that became one; or there are as many on what was to carry one: 20.',
    remedy: 'Remove another one, or take another one off, first.',
  },
  NOT_SUBGROUP: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The group is not right below the one whose tag it is.',
    remedy: 'Put on it a tag of the group that it is in.',
  },
  ALREADY_MEMBER: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is in the group already.',
    remedy: 'Nothing needs to be done.',
  },
  NOT_MEMBER: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is not in the group.',
    remedy: 'Add the member first; to have it out of the group, nothing needs to be done.',
  },
  GROUP_NOT_OPEN: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Nobody joins the group by itself.',
    remedy: 'Ask to be let in, or to be invited.',
  },
  GROUP_NOT_ON_REQUEST: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Nobody asks to be let into this group.',
    remedy: 'Join it, where it is open; else have yourself be invited.',
  },
  ALREADY_REQUESTED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member has asked to be let into the group, and nobody has decided yet.',
    remedy: 'Who may decide approves the request or declines it.',
  },
  ALREADY_INVITED: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is invited to the group already.',
    remedy: 'The invited member accepts or declines. To invite it otherwise, withdraw the invitation first.',
  },
  JOIN_REQUEST_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'The member has not asked to be let into the group, or that was decided.',
    remedy: 'Check the IDs.',
  },
  INVITATION_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'The member is not invited to the group, or not any more.',
    remedy: 'Check the IDs, or invite it again.',
  },
  TOO_MANY_JOIN_REQUESTS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member has asked to be let into as many groups as a member can: 1,000.',
    remedy: 'Withdraw another request first.',
  },
  TOO_MANY_INVITATIONS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is invited to as many groups as a member can be: 1,000.',
    remedy: 'The member accepts or declines another invitation first.',
  },
  TOO_MANY_GROUPS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is in as many groups as a member can be: 1,000, with the whole organisation.',
    remedy: 'Leave another one first.',
  },
  TOO_MANY_BINDINGS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is bound to as many positions, in all groups, as a member can be: 2,000.',
    remedy: 'Let it go from another one first, or choose another member.',
  },
  TOO_MANY_POSITIONS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The group has as many positions as a group can have: 100.',
    remedy: 'Delete another one first.',
  },
  POSITION_IN_USE: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Members are bound to the position.',
    remedy: 'Let them go from it first.',
  },
  LAST_LEADER: {
    status: 'FAILED_PRECONDITION',
    meaning: 'Nobody would lead the group any more, or not for as long as now. Who is suspended does not count.',
    remedy:
      'To leave, name a successor who is in the group, or delete the group where nobody else is. To put somebody out, name a successor. Before another change, bind another member to the position of its leaders, for as long as that one is: without end, where it has none. What you hold less long yourself, leave to who holds it for as long, or to an administrator.',
  },
} as const satisfies Record<string, ProblemKind>;
