import { notFound } from '#platform/errors.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';
import {
  type GetGroupRequest,
  type GetPositionRequest,
  GroupPart,
  type GroupView,
  type ListAncestorsRequest,
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
        seenOf(seen).filter(({ tags }) => tag === '' || tags.includes(tag)),
        pageSize,
      );
      return { groups: items, nextPageToken };
    },
    async listSubgroups({ groupId, pageToken, pageSize, seen }: ListSubgroupsRequest) {
      noPageToken(pageToken);
      read(groupId);
      const { items, nextPageToken } = page(
        seenOf(seen).filter(({ parentId }) => parentId === groupId),
        pageSize,
      );
      return { groups: items, nextPageToken };
    },
    async listAncestors({ groupId, seen }: ListAncestorsRequest) {
      const { parentId } = read(groupId);
      return { groups: seenOf(seen).filter((group) => group.groupId === parentId) };
    },
    async listGroupMembers({ groupId, pageToken, pageSize, seen, positionId }: ListGroupMembersRequest) {
      noPageToken(pageToken);
      read(groupId);
      if (positionId !== '' && !positions.has(positionId)) throw notFound('POSITION_NOT_FOUND');
      const bound = [...positions.values()].filter((position) => position.groupId === groupId);
      const all = [...members.values()].filter(({ memberId }) => sees(seen, memberId));
      const { items, nextPageToken } = page(all, pageSize);
      const boundTo = bound.map((position) => ({ positionId: position.positionId, boundAt: AT, until: AT }));
      return { members: items.map((member) => ({ member, joinedAt: AT, positions: boundTo })), nextPageToken };
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
      const asked = { groupId, pageSize: 0, pageToken: '', filter: '', orderBy: '', positionId: '', depth: 1 };
      const part = async <Part>(name: GroupPart, ask: () => Promise<Part>) => (include.includes(name) ? await ask() : undefined);
      return {
        group: readSeen(groupId, seen),
        members: await part(GroupPart.GROUP_PART_MEMBERS, () => queries.listGroupMembers({ ...asked, seen: seenMembers })),
        positions: await part(GroupPart.GROUP_PART_POSITIONS, () => queries.listPositions({ ...asked, seen })),
        ancestors: await part(GroupPart.GROUP_PART_ANCESTORS, () => queries.listAncestors({ groupId, seen: seenGroups })),
        subgroups: await part(GroupPart.GROUP_PART_SUBGROUPS, () => queries.listSubgroups({ ...asked, seen: seenGroups })),
      };
    },
  };
}
