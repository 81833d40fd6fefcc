import { randomUUID } from 'node:crypto';
import type { MembershipChange, TagsChange } from '#proto/musubi/group/v1/group.ts';
import { call, type Job, job, openTestGroup } from '../group.fixture.ts';

/** What carries a tag. */
export type Carrier = { subgroupId: string } | { memberId: string };
type Change = 'PUT' | 'REMOVE' | 'RENAME';
interface Renamed {
  name?: string;
  merge?: boolean;
}

/** The service on a database of one test file's own, with what tests of tags do and ask again and again. */
export async function openTestTags(name: string) {
  const opened = await openTestGroup(name);
  const { service, begin, commit, createGroup, groupOf, membershipOf, putMembers } = opened;
  const beginChange = (groupId: string, change: Change, tag: string, given: Renamed = {}, at?: Job) =>
    begin.tags(groupId, `TAGS_CHANGE_${change}` satisfies TagsChange, tag, given, at);
  const commitTag = ({ of }: Job) => service.commitTag({ operationId: of('commit') }, call);
  const put = async (groupId: string, tag: string, carrier: Carrier, isOn = true) => {
    const at = job();
    await begin.tag(groupId, tag, carrier, isOn, at);
    return (await commitTag(at)).written;
  };
  return {
    ...opened,
    beginChange,
    change: async (groupId: string, what: Change, tag: string, given: Renamed = {}): Promise<void> => {
      const at = job();
      await beginChange(groupId, what, tag, given, at);
      await commit(groupId, at);
    },
    commitTag,
    /** Puts a tag on something. @returns what is waited for to see it */
    put,
    takeOff: (groupId: string, tag: string, carrier: Carrier) => put(groupId, tag, carrier, false),
    beginMembership: (groupId: string, memberId: string, what: 'ADD' | 'LEAVE', { of }: Job = job()) =>
      service.beginChangeMembership(
        {
          ...{ operationId: of('begin'), groupId, memberId, reason: '', successorId: undefined },
          change: `MEMBERSHIP_CHANGE_${what}` satisfies MembershipChange,
        },
        call,
      ),
    namesOf: async (groupId: string) => (await groupOf(groupId))?.tags.map(({ name }) => name),
    /** The names of the tags that something carries. */
    carried: async (groupId: string, carrier: Carrier): Promise<string[]> => {
      const [group, one] = await Promise.all([
        groupOf(groupId),
        'memberId' in carrier ? membershipOf(groupId, carrier.memberId) : groupOf(carrier.subgroupId),
      ]);
      return (group?.tags ?? []).filter(({ ids }) => ids.some((id) => one?.tagIds?.includes(id))).map(({ name }) => name);
    },
    /** A group with these tags, another one in it, and a member of it. */
    ground: async (...tags: string[]) => {
      const groupId = await createGroup({ tags });
      const [subgroupId, memberId] = [await createGroup({ parentId: groupId }), randomUUID()];
      await putMembers(groupId, [memberId]);
      return { groupId, subgroupId, memberId, on: [{ subgroupId }, { memberId }] as const };
    },
  };
}
