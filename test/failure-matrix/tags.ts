import { randomBytes } from 'node:crypto';
import { newId } from '../../platform/validation/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import type { Case, Context, Way } from './sagas.ts';

type Ids = Record<string, string>;
/** A registered member. */
type Existing = (context: Context) => Promise<Ids & { memberId: string }>;
type TagCommand = Extract<CommandName, `group.${'change-tags' | 'tag'}`>;

const OPEN = { visibility: 'VISIBILITY_OPEN' as const, description: 'of the matrix' };

/** The sagas of tags, each of a group of its own with two tags, in which is another one, and who has made them. */
export function tagWays(existing: Existing): Record<TagCommand, Way> & Record<string, Way> {
  const name = (): string => `matrix-${randomBytes(8).toString('hex')}`;

  async function ground(context: Context) {
    const member = await existing(context);
    const ids = { ...member, groupId: newId(), groupName: name(), withinId: newId(), withinName: name() };
    const group = { groupId: ids.groupId, parentId: 'root', name: ids.groupName, tags: ['sales', 'trial'] };
    const within = { groupId: ids.withinId, parentId: ids.groupId, name: ids.withinName, tags: [] };
    for (const input of [group, within]) {
      const made = { ...input, ...OPEN, creatorId: member.memberId };
      await context.run({ command: 'group.create', input: made, ids, aggregateId: input.groupId });
    }
    return ids;
  }
  type Ground = Awaited<ReturnType<typeof ground>>;

  const changing =
    (change: Omit<CommandInput<'group.change-tags'>, 'groupId'>) =>
    (ids: Ground): Case => ({
      command: 'group.change-tags',
      input: { groupId: ids.groupId, ...change },
      ids,
      aggregateId: ids.groupId,
    });
  const onGroup =
    (tag: string, isOn = true) =>
    (ids: Ground): Case => ({
      command: 'group.tag',
      input: { groupId: ids.groupId, subgroupId: ids.withinId, tag, isOn },
      ids,
      aggregateId: ids.withinId,
    });
  const onMember =
    (tag: string, isOn = true) =>
    (ids: Ground): Case => ({
      command: 'group.tag',
      input: { groupId: ids.groupId, memberId: ids.memberId, tag, isOn },
      ids,
      aggregateId: ids.memberId,
    });
  /** A case on a ground of its own, after these. */
  const make =
    (last: (ids: Ground) => Case, ...before: ((ids: Ground) => Case)[]): Way['make'] =>
    async (context) => {
      const ids = await ground(context);
      for (const one of before) await context.run(one(ids));
      return last(ids);
    };

  return {
    'group.change-tags': { make: make(changing({ change: 'TAGS_CHANGE_PUT', tag: 'customers' })) },
    'group.change-tags that makes one of two': {
      make: make(
        changing({ change: 'TAGS_CHANGE_RENAME', tag: 'trial', name: 'Sales', merge: true }),
        onGroup('trial'),
        onMember('sales'),
      ),
    },
    'group.change-tags while another job changes the group': {
      make: async (context) => {
        const { group } = context.peers;
        const made = await make(changing({ change: 'TAGS_CHANGE_REMOVE', tag: 'trial' }), onGroup('trial'))(context);
        const operationId = `${newId()}/beginUpdateGroup`;
        const nothing = { name: undefined, visibility: undefined, expectedVersion: undefined };
        const occupy = async () => {
          await group.beginUpdateGroup({ operationId, groupId: made.aggregateId, description: 'held', ...nothing });
          return () => group.undo({ operationId });
        };
        return { ...made, occupy };
      },
    },
    'group.tag': { make: make(onGroup('sales'), onGroup('trial')) },
    'group.tag that is taken off': { make: make(onGroup('sales', false), onGroup('sales'), onGroup('trial')) },
    'group.tag of a member': { make: make(onMember('sales')) },
    'group.tag of a member that is taken off': { make: make(onMember('sales', false), onMember('sales')) },
    'group.tag of a member while another job changes the membership': {
      make: async (context) => {
        const { group } = context.peers;
        const made = await make(onMember('sales'))(context);
        const { groupId = '', memberId = '' } = made.ids;
        const operationId = `${newId()}/beginChangeMembership`;
        const leaving = { groupId, memberId, change: 'MEMBERSHIP_CHANGE_LEAVE' as const, reason: '', successorId: undefined };
        const occupy = async () => {
          await group.beginChangeMembership({ operationId, ...leaving });
          return () => group.undo({ operationId });
        };
        return { ...made, occupy };
      },
    },
  };
}
