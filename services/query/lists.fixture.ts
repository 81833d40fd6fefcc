import type { EventMessage } from '#platform/kafka/event-message.ts';
import type { Database } from '#platform/postgres/database.ts';
import {
  GROUP_INVITATION_LIST,
  GROUP_LIST,
  GROUP_MEMBER_LIST,
  GROUP_REQUEST_LIST,
  MEMBER_EXPULSION_LIST,
  MEMBER_INVITATION_LIST,
  MEMBER_REQUEST_LIST,
  POSITION_LIST,
} from '#platform/validation/group-lists.ts';
import { Candidacy } from '#proto/musubi/query/v1/query.ts';
import { CREATED, memberEvent } from './events.fixture.ts';
import { bindingsEvent, candidacyEvent, groupEvent, membershipEvent, positionEvent } from './group-events.fixture.ts';
import { listCandidacies, listCandidates } from './queries/candidates.ts';
import { listGroupMembers } from './queries/group-members.ts';
import { listGroups } from './queries/groups.ts';
import { listPositions } from './queries/positions.ts';
import { listRoomMembers, listRooms } from './queries/rooms.ts';
import { newSearches } from './queries/searches.ts';
import { listSubgroups } from './queries/subgroups.ts';
import { roomEvent, roomMemberEvent } from './room-events.fixture.ts';
import { ALL } from './seen.fixture.ts';

// Every list about groups and rooms, with what comes into it, changes in it and goes out of it.

const searches = newSearches();
const { turns } = searches;
/** Who reads rooms. */
const READER = 'reader';

export const later = (ms: number): Date => new Date(CREATED.getTime() + ms);
export const page = { pageSize: 0, pageToken: '', filter: '', orderBy: '' };
export type Page = typeof page;

/** What a thing is ordered by: few values, so that many have the same. */
export interface Values {
  name: string;
  created: number;
  updated: number;
}

/** A kind of list: how a thing of it comes to be as it is, or goes, and how the list is read. */
export interface Kind {
  /** None: it has one of its own. */
  orders: readonly string[];
  /** @param ofId the group, the room or the member whose list it is @param values undefined: it is gone */
  events(ofId: string, id: string, version: number, values: Values | undefined): EventMessage[];
  read(db: Database, ofId: string, asked: Page): Promise<{ ids: string[]; nextPageToken: string }>;
}

const group = (parentId: string, id: string, version: number, values: Values | undefined): EventMessage =>
  groupEvent(
    id,
    version,
    values && { parentId, name: values.name, createdAt: later(values.created), updatedAt: later(values.updated) },
  );
const idsOf = (groups: readonly { groupId: string }[]): string[] => groups.map(({ groupId }) => groupId);
export const KINDS: Record<string, Kind> = {
  groups: {
    orders: GROUP_LIST.orderBy,
    // Told apart from those of other runs by who is in them.
    events: (groupId, id, version, values) => [group('root', id, version, values), membershipEvent(id, groupId, version)],
    read: async (db, ofMemberId, asked) => {
      const request = { query: '', memberId: 'm', tag: '', seen: ALL, ofMemberId, membersSeen: ALL, ...asked };
      const { groups, nextPageToken } = await listGroups({ db, searches: newSearches() }, request);
      return { ids: idsOf(groups), nextPageToken };
    },
  },
  subgroups: {
    orders: GROUP_LIST.orderBy,
    events: (groupId, id, version, values) => [group(groupId, id, version, values)],
    read: async (db, groupId, asked) => {
      const { groups, nextPageToken } = await listSubgroups(
        { db, turns },
        { memberId: 'm', groupId, depth: 1, tag: '', seen: ALL, ...asked },
      );
      return { ids: idsOf(groups), nextPageToken };
    },
  },
  'subgroups at any depth': {
    orders: GROUP_LIST.orderBy,
    events: (groupId, id, version, values) => [group(groupId, id, version, values)],
    read: async (db, groupId, asked) => {
      const { groups, nextPageToken } = await listSubgroups(
        { db, turns },
        { memberId: 'm', groupId, depth: 9, tag: '', seen: ALL, ...asked },
      );
      return { ids: idsOf(groups), nextPageToken };
    },
  },
  members: members({}),
  // What is sought is called as the group is: then all of one group find each other.
  'members bound to a position': members({ isBound: true }),
  'members with a tag': members({ isTagged: true }),
  'join requests': candidates(Candidacy.CANDIDACY_REQUESTED, GROUP_REQUEST_LIST.orderBy),
  invitations: candidates(Candidacy.CANDIDACY_INVITED, GROUP_INVITATION_LIST.orderBy),
  "a member's join requests": candidacies(Candidacy.CANDIDACY_REQUESTED, MEMBER_REQUEST_LIST.orderBy),
  "a member's invitations": candidacies(Candidacy.CANDIDACY_INVITED, MEMBER_INVITATION_LIST.orderBy),
  "a member's expulsions": candidacies(Candidacy.CANDIDACY_EXPELLED, MEMBER_EXPULSION_LIST.orderBy),
  positions: {
    orders: POSITION_LIST.orderBy,
    events: (groupId, id, version, values) => [
      positionEvent(
        id,
        version,
        values && { groupId, name: values.name, createdAt: later(values.created), updatedAt: later(values.updated) },
      ),
    ],
    read: async (db, groupId, asked) => {
      const { positions, nextPageToken } = await listPositions(db, { groupId, seen: ALL, ...asked });
      return { ids: positions.map(({ positionId }) => positionId), nextPageToken };
    },
  },
  rooms: {
    orders: [],
    // A room that is gone does not come back, but who has left it may.
    events: (memberId, id, version, values) => [
      roomEvent(id, version, { name: values?.name ?? '' }),
      roomMemberEvent(id, memberId, version, values && {}),
    ],
    read: async (db, memberId, asked) => {
      const { rooms, nextPageToken } = await listRooms(db, { memberId, ...asked });
      return { ids: rooms.map(({ roomId }) => roomId), nextPageToken };
    },
  },
  'members of a room': {
    orders: [],
    events: (roomId, id, version, values) => [
      roomEvent(roomId, 1, {}),
      roomMemberEvent(roomId, READER, 1, {}),
      roomMemberEvent(roomId, id, version, values && { joinedAt: later(values.created) }),
    ],
    read: async (db, roomId, asked) => {
      const { members, nextPageToken } = await listRoomMembers(db, { roomId, memberId: READER, ...asked });
      return { ids: members.map(({ memberId }) => memberId).filter((id) => id !== READER), nextPageToken };
    },
  },
};

function members({ isBound = false, isTagged = false }): Kind {
  return {
    orders: GROUP_MEMBER_LIST.orderBy,
    events: (groupId, id, version, values) => [
      groupEvent(groupId, 2, { tags: [{ name: 'sought', ids: [groupId] }] }),
      positionEvent(groupId, 1, { groupId }),
      memberEvent(id, version, { displayName: values?.name ?? '' }),
      membershipEvent(groupId, id, version, values !== undefined, [groupId], later(values?.created ?? 0)),
      bindingsEvent(groupId, id, version, values ? [groupId] : []),
    ],
    read: async (db, groupId, asked) => {
      const sought = { positionId: isBound ? groupId : '', tag: isTagged ? 'Sought' : '' };
      const { members, nextPageToken } = await listGroupMembers(
        { db, searches },
        { memberId: 'm', groupId, ...sought, seen: ALL, ...asked },
      );
      return { ids: members.map(({ member }) => member?.memberId ?? ''), nextPageToken };
    },
  };
}

/** What a member is to a group that it is not in. */
function tiesOf(candidacy: Candidacy, values: Values | undefined): Parameters<typeof candidacyEvent>[3] {
  if (!values) return {};
  const [at, until] = [later(values.created), later(values.updated)];
  switch (candidacy) {
    case Candidacy.CANDIDACY_REQUESTED:
      return { request: { requestedAt: at, message: '', declinedAt: undefined, declineReason: '' } };
    case Candidacy.CANDIDACY_EXPELLED:
      return { expulsion: { expelledAt: at, reason: '' } };
    default:
      return { invitation: { invitedAt: at, inviterId: 'inviter', until } };
  }
}

function candidates(candidacy: Candidacy, orders: readonly string[]): Kind {
  return {
    orders,
    events: (groupId, id, version, values) => [
      memberEvent(id, version, { displayName: values?.name ?? '' }),
      candidacyEvent(groupId, id, version, tiesOf(candidacy, values)),
    ],
    read: async (db, groupId, asked) => {
      const request = { memberId: 'm', groupId, candidacy, seen: ALL, ...asked };
      const { candidates, nextPageToken } = await listCandidates({ db, searches }, request);
      return { ids: candidates.map(({ member }) => member?.memberId ?? ''), nextPageToken };
    },
  };
}

function candidacies(candidacy: Candidacy, orders: readonly string[]): Kind {
  return {
    orders,
    events: (memberId, id, version, values) => [
      group('root', id, 1, { name: 'x', created: 0, updated: 0 }),
      candidacyEvent(id, memberId, version, tiesOf(candidacy, values)),
    ],
    read: async (db, memberId, asked) => {
      const request = { memberId, groupId: '', candidacy, seen: ALL, ...asked };
      const { candidacies, nextPageToken } = await listCandidacies(db, request);
      return { ids: idsOf(candidacies), nextPageToken };
    },
  };
}
