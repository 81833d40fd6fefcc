import { notFound } from '#platform/errors.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import {
  Candidacy,
  type GetGroupRequest,
  type GetPositionRequest,
  GroupPart,
  type GroupView,
  type ListAncestorsRequest,
  type ListCandidaciesRequest,
  type ListCandidatesRequest,
  type ListGroupMembersRequest,
  type ListGroupsRequest,
  type ListPositionsRequest,
  type ListSubgroupsRequest,
  type PositionView,
} from '#proto/musubi/query/v1/query.ts';
import type { State } from './applied.fixture.ts';
import { SEES_ALL } from './http/route.ts';
import { noPageToken, sees } from './lists.fixture.ts';

// What stands in the place of Query's groups: maps, in which every member is in every group.

const AT = new Date('2026-01-02T03:04:05.678Z');

export const groupView = (groupId: string, given: Partial<GroupView> = {}): GroupView => ({
  groupId,
  parentId: 'root',
  name: groupId,
  description: '',
  visibility: 'VISIBILITY_OPEN',
  tags: [],
  carriedTags: [],
  archivedAt: undefined,
  createdAt: AT,
  updatedAt: AT,
  version: 1,
  subgroupCount: 0,
  ...given,
});

export const positionView = (positionId: string, groupId: string, given: Partial<PositionView> = {}): PositionView => ({
  positionId,
  groupId,
  name: positionId,
  kind: 'POSITION_KIND_UNSPECIFIED',
  permissions: [],
  createdAt: AT,
  updatedAt: AT,
  version: 1,
  ...given,
});

/** In which every member has asked, is invited and was put out, as far as it is asked for. */
function tiesOf(candidacy: Candidacy) {
  const { CANDIDACY_REQUESTED, CANDIDACY_INVITED, CANDIDACY_EXPELLED } = Candidacy;
  const request = { requestedAt: AT, message: 'of the test', declinedAt: undefined, declineReason: '' };
  const invitation = { invitedAt: AT, inviterId: 'inviter', until: AT };
  return {
    request: candidacy === CANDIDACY_REQUESTED ? request : undefined,
    invitation: candidacy === CANDIDACY_INVITED ? invitation : undefined,
    expulsion: candidacy === CANDIDACY_EXPELLED ? { expelledAt: AT, reason: 'it is over' } : undefined,
  };
}

export function groupQueriesOf({ groups, positions, members }: State) {
  const seenOf = (seen: Condition | undefined) => [...groups.values()].filter(({ groupId }) => sees(seen, groupId));
  const read = (groupId: string): GroupView => readSeen(groupId, SEES_ALL);
  const readSeen = (groupId: string, seen: Condition | undefined): GroupView => {
    const group = groups.get(groupId);
    if (!group || !sees(seen, groupId)) throw notFound('GROUP_NOT_FOUND');
    return group;
  };
  const page = <Item>(items: Item[], pageSize: number) => ({
    items: items.slice(0, pageSize || 20),
    nextPageToken: items.length > (pageSize || 20) ? 'next' : '',
  });
  const queries = {
    async listGroups({ pageToken, pageSize, seen, tag }: ListGroupsRequest) {
      noPageToken(pageToken);
      const { items, nextPageToken } = page(
        seenOf(seen).filter(({ tags, carriedTags }) => tag === '' || [...tags, ...carriedTags].includes(tag)),
        pageSize,
      );
      return { groups: items, nextPageToken };
    },
    async listSubgroups({ groupId, pageToken, pageSize, seen, tag }: ListSubgroupsRequest) {
      noPageToken(pageToken);
      read(groupId);
      const { items, nextPageToken } = page(
        seenOf(seen).filter(({ parentId, carriedTags }) => parentId === groupId && (tag === '' || carriedTags.includes(tag))),
        pageSize,
      );
      return { groups: items, nextPageToken };
    },
    async listAncestors({ groupId, seen }: ListAncestorsRequest) {
      const { parentId } = read(groupId);
      return { groups: seenOf(seen).filter((group) => group.groupId === parentId) };
    },
    async listGroupMembers({ groupId, pageToken, pageSize, seen, positionId, tag }: ListGroupMembersRequest) {
      noPageToken(pageToken);
      read(groupId);
      if (positionId !== '' && !positions.has(positionId)) throw notFound('POSITION_NOT_FOUND');
      const bound = [...positions.values()].filter((position) => position.groupId === groupId);
      const all = [...members.values()].filter(({ memberId }) => sees(seen, memberId) && ['', 'on call'].includes(tag));
      const { items, nextPageToken } = page(all, pageSize);
      const boundTo = bound.map((position) => ({ positionId: position.positionId, boundAt: AT, until: AT }));
      return { members: items.map((member) => ({ member, joinedAt: AT, tags: ['on call'], positions: boundTo })), nextPageToken };
    },
    async listCandidates({ groupId, candidacy, pageToken, pageSize, seen }: ListCandidatesRequest) {
      noPageToken(pageToken);
      read(groupId);
      const all = [...members.values()].filter(({ memberId }) => sees(seen, memberId));
      const { items, nextPageToken } = page(all, pageSize);
      return { candidates: items.map((member) => ({ member, ...tiesOf(candidacy) })), nextPageToken };
    },
    async listCandidacies({ memberId, groupId, candidacy, pageToken, pageSize, seen }: ListCandidaciesRequest) {
      noPageToken(pageToken);
      const ids = groupId === '' ? [...groups.keys()] : [groupId];
      const { items, nextPageToken } = page(ids, pageSize);
      const candidacies = items.map((id) => ({
        ...{ groupId: id, memberId, groupName: sees(seen, id) ? groups.get(id)?.name : undefined },
        ...tiesOf(candidacy),
      }));
      return { candidacies, nextPageToken };
    },
    async getPosition({ groupId, positionId, seen }: GetPositionRequest) {
      readSeen(groupId, seen);
      const position = positions.get(positionId);
      if (position?.groupId !== groupId) throw notFound('POSITION_NOT_FOUND');
      return { position };
    },
    async listPositions({ groupId, pageToken, pageSize, seen }: ListPositionsRequest) {
      noPageToken(pageToken);
      readSeen(groupId, seen);
      const { items, nextPageToken } = page(
        [...positions.values()].filter((position) => position.groupId === groupId),
        pageSize,
      );
      return { positions: items, nextPageToken };
    },
  };
  return {
    ...queries,
    async getGroup({ groupId, seen, seenGroups, seenMembers, include }: GetGroupRequest) {
      const asked = {
        groupId,
        pageSize: 0,
        pageToken: '',
        filter: '',
        orderBy: '',
        positionId: '',
        tag: '',
        depth: 1,
        memberId: '',
      };
      const part = async <Part>(name: GroupPart, ask: () => Promise<Part>) => (include.includes(name) ? await ask() : undefined);
      return {
        group: readSeen(groupId, seen),
        members: await part(GroupPart.GROUP_PART_MEMBERS, () => queries.listGroupMembers({ ...asked, seen: seenMembers })),
        positions: await part(GroupPart.GROUP_PART_POSITIONS, () => queries.listPositions({ ...asked, seen })),
        ancestors: await part(GroupPart.GROUP_PART_ANCESTORS, () => queries.listAncestors({ ...asked, seen: seenGroups })),
        subgroups: await part(GroupPart.GROUP_PART_SUBGROUPS, () => queries.listSubgroups({ ...asked, seen: seenGroups })),
      };
    },
  };
}
