import { kept } from '#platform/validation/fields.ts';
import {
  groupDescription,
  groupName,
  groupTag,
  groupTags,
  groupVisibility,
  nameKey,
  type VISIBILITIES,
} from '#platform/validation/group-fields.ts';
import { requireId } from '#platform/validation/id.ts';

// Groups are in groups, up to the whole organisation; members are in groups. A job takes what it changes (`lockHolder`), with the
// change kept aside (`pending`): others see all as it was until Auth goes by it, and then the change is committed. What is
// moved, archived or deleted, or is only being made, is held with all that is below it.

export type Visibility = (typeof VISIBILITIES)[number];

/** What a job will make of a group. */
export type GroupChange =
  | { change: 'create' }
  | { change: 'update'; name: string; description: string; visibility: Visibility }
  | { change: 'move'; parentId: string }
  | { change: 'archive' }
  | { change: 'restore' }
  | { change: 'change-tags'; tags: Tag[] }
  /** It carries other tags. */
  | { change: 'tag'; tagIds: string[] }
  /** `depth`: how far it is below the topmost of those that the job deletes. */
  | { change: 'delete'; depth: number };

/** A tag of a group's own set. */
export interface Tag {
  name: string;
  /** By which it is carried: one at least. It keeps them under any name, and those of tags that became one with it. */
  ids: string[];
}

/** What a job can take. */
export interface Lockable<Change> {
  /** The job that is changing it; null: nobody. */
  lockHolder: string | null;
  /** What it will make of it. */
  pending: Change | null;
  /** 0 while it is being created, and others do not see it; grows by 1 with every change that is told to others. */
  version: number;
}

export interface Group extends Lockable<GroupChange> {
  groupId: string;
  /** Null: it is the whole organisation. */
  parentId: string | null;
  name: string;
  description: string;
  visibility: Visibility;
  /** Its own set, by name. */
  tags: Tag[];
  /** What it carries of the set of the group that it is in. What that set does not have any more is not carried. */
  tagIds: string[];
  /** Null: it is not archived itself. */
  archivedAt: Date | null;
  createdAt: Date;
  updatedAt: Date;
}

/** What of a group matters to those below it. */
export interface Above {
  groupId: string;
  isArchived: boolean;
  /** What a job is doing to it; null: nothing. */
  change: GroupChange['change'] | null;
  /** Whether another job is about to hold it with all that is below it, and came first. */
  isClosed: boolean;
}

/** What a job will make of a membership: the member comes in or goes, asks to be let in, is declined or invited, or none of these any more. */
export type MembershipChange =
  | {
      isMember: boolean;
      /** Why the member is put out; null: it goes by itself. */
      reason: string | null;
    }
  | { becomes: 'requested'; message: string | null }
  | { becomes: 'declined'; reason: string | null }
  | { becomes: 'invited'; inviterId: string; until: string }
  /** Neither of these any more. */
  | { becomes: 'nothing' };

/** A change that a job has begun. */
export type BegunChange = MembershipChange & {
  /** What the group's visibility is for that: until it is through, it is not said that the group has another one. */
  through?: Visibility;
};

/** What a member is to a group: it is in it, has asked to be, or is invited, one of these at most. */
export interface Ties {
  /** Null: the member is not in the group. */
  joinedAt: Date | null;
  /** What it carries of the group's own set, as a group does; null: nothing. */
  tagIds: string[] | null;
  /** Null: it has not asked to be let in. */
  requestedAt: Date | null;
  /** What it says to those who decide. */
  message: string | null;
  /** Null: nobody has decided yet. */
  declinedAt: Date | null;
  /** Why it was not let in. */
  declineReason: string | null;
  /** Null: it is not invited. */
  invitedAt: Date | null;
  inviterId: string | null;
  /** Until when it can accept. */
  until: Date | null;
  /** Null: it was not put out, or came in again since. */
  expelledAt: Date | null;
  /** Why it was put out. */
  reason: string | null;
}

/** What a job will have a membership carry. */
export interface TaggedMembership {
  tagIds: string[];
}

export interface Membership extends Lockable<BegunChange | TaggedMembership>, Ties {
  groupId: string;
  memberId: string;
}

/** What a member is to a group, in a word; null: nothing. */
export type Tie = 'member' | 'requested' | 'declined' | 'invited' | null;

/** @param ties null: that is not so */
export function tieOf({
  joinedAt,
  requestedAt,
  declinedAt,
  invitedAt,
}: Record<'joinedAt' | 'requestedAt' | 'declinedAt' | 'invitedAt', unknown>): Tie {
  if (joinedAt !== null) return 'member';
  if (invitedAt !== null) return 'invited';
  if (requestedAt === null) return null;
  return declinedAt === null ? 'requested' : 'declined';
}

/** Of who was never anything to the group. */
export const NO_TIES: Ties = {
  ...{ joinedAt: null, tagIds: null, requestedAt: null, message: null, declinedAt: null, declineReason: null },
  ...{ invitedAt: null, inviterId: null, until: null, expelledAt: null, reason: null },
};
export const TIES = Object.keys(NO_TIES) as (keyof Ties)[];

/** What a member is to a group after a change. That it was put out, and why, is known until it comes in again. */
export function tiesAfter(before: Ties, change: MembershipChange, now: Date): Ties {
  if ('isMember' in change) {
    if (change.isMember) return { ...NO_TIES, joinedAt: now };
    return change.reason === null ? NO_TIES : { ...NO_TIES, expelledAt: now, reason: change.reason };
  }
  const { expelledAt, reason } = before;
  const expelled = { ...NO_TIES, expelledAt, reason };
  switch (change.becomes) {
    case 'requested':
      return { ...expelled, requestedAt: now, message: change.message };
    case 'declined': {
      const { requestedAt, message } = before;
      return { ...expelled, requestedAt, message, declinedAt: now, declineReason: change.reason };
    }
    case 'invited':
      return { ...expelled, invitedAt: now, inviterId: change.inviterId, until: new Date(change.until) };
    case 'nothing':
      return expelled;
  }
}

interface Fields {
  name?: string | undefined;
  description?: string | undefined;
  visibility?: string | undefined;
  tags?: readonly string[] | undefined;
}
const RULES = { name: groupName, description: groupDescription, visibility: groupVisibility, tags: groupTags };

/** The given fields in the form in which they are kept, each tag once. @throws INVALID_GROUP */
export function tidyGroup(given: Fields) {
  const { tags, ...fields } = kept(RULES, given, 'INVALID_GROUP');
  return { ...fields, tags: tags && [...new Map(tags.map((tag) => [nameKey(tag), tag])).values()].sort() };
}

/** What of these is given, as tags are called. @throws INVALID_GROUP */
export const tidyTags = <Given extends { tag: string; name?: string | undefined }>(given: Given): Given => ({
  ...given,
  ...kept({ tag: groupTag, name: groupTag }, { tag: given.tag, name: given.name }, 'INVALID_GROUP'),
});

/** @throws INVALID_ARGUMENT */
export const requireMemberId = (memberId: string): string => requireId('memberId', memberId);

/** Whether what a job does to a group holds all that is below it, too. */
export const holdsBelow = ({ change }: Above): boolean => change !== null && !OF_ONE.has(change);
const OF_ONE: ReadonlySet<GroupChange['change']> = new Set(['update', 'change-tags', 'tag']);

/** Whether everybody finds a group of that visibility. */
export const isFindable = (visibility: Visibility): boolean => visibility !== 'invitation';

/** The same, held by no job. */
export const freed = <T extends Lockable<unknown>>(one: T): T => ({ ...one, lockHolder: null, pending: null });
