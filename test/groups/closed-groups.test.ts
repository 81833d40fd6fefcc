import test from 'ava';
import { Turns } from '../../platform/concurrency/turns.ts';
import { newId } from '../../platform/validation/id.ts';
import type { CommandInput, CommandName } from '../../workflows/commands.ts';
import * as workflows from '../../workflows/sagas.ts';
import { Ground } from '../failure-matrix/ground.ts';
import { type Case, type Context, WAYS } from '../failure-matrix/sagas.ts';

// What is done in a group that is archived, or below one that is, being deleted, missing or just being made: a line for each command of groups and of
// positions. A command without a line is an error of types, and fails the first test.

/** What a command ends with: it is done, or refused with a code. */
type End = 'done' | (string & {});
/** What a group is when a command comes to it. */
const STATES = ['missing', 'being made', 'archived', 'below an archived one', 'being deleted'] as const;
type State = (typeof STATES)[number];

interface Line {
  ends: Record<State, End>;
  /** How the command is made, if not as in the matrix. */
  make?: (context: Context) => Promise<Case>;
  /** Where its input names the group; default: `groupId`. */
  field?: 'groupId' | 'parentId';
}

/** Who comes while a group is made or deleted waits for what becomes of that. (What is being made is undone here.) */
const gone = (code: End): Pick<Line['ends'], 'missing' | 'being made' | 'being deleted'> => ({
  ...{ missing: code, 'being made': code, 'being deleted': code },
});
const inArchived = (end: End) => ({ archived: end, 'below an archived one': end });
/** What changes something in a group. */
const CHANGES: Line = { ends: { ...gone('GROUP_NOT_FOUND'), ...inArchived('GROUP_ARCHIVED') } };
/** What only takes away. */
const TAKES_AWAY: Line = { ends: { ...gone('GROUP_NOT_FOUND'), ...inArchived('done') } };
/** What time does, whatever the group is. */
const IN_TIME: Line = { ends: { ...gone('done'), ...inArchived('done') } };

const way =
  (name: string) =>
  async (context: Context): Promise<Case> => {
    const found = WAYS[name];
    if (!found) throw new Error(`the matrix has no ${name}`);
    return await found.make(context);
  };

type GroupCommand = Extract<CommandName, `group.${string}` | `position.${string}`>;
/** Null: it is about the whole organisation, which is none of these. */
const LINES: Record<GroupCommand, Line | null> & Record<string, Line | null> = {
  'group.create': {
    ...CHANGES,
    field: 'parentId',
    make: async (context) => {
      const { aggregateId: parentId } = await way('group.update')(context);
      const input = { groupId: newId(), parentId, name: newId(), description: '', tags: [] };
      return made('group.create', { ...input, visibility: 'VISIBILITY_OPEN' });
    },
  },
  'group.update': CHANGES,
  'group.update without its visibility': CHANGES,
  'group.move': CHANGES,
  'group.move into it': { ...CHANGES, field: 'parentId', make: way('group.move') },
  'group.archive': CHANGES,
  'group.restore': {
    ends: { ...gone('GROUP_NOT_FOUND'), archived: 'done', 'below an archived one': 'GROUP_NOT_ARCHIVED' },
    make: async (context) => ({ ...(await way('group.archive')(context)), command: 'group.restore' }),
  },
  'group.delete': TAKES_AWAY,
  'group.change-tags': CHANGES,
  // The subgroup is in another group than in that one.
  'group.tag': { ends: { ...CHANGES.ends, missing: 'NOT_SUBGROUP', 'being made': 'NOT_SUBGROUP' } },
  'group.tag that is taken off': { ends: { ...CHANGES.ends, missing: 'NOT_SUBGROUP', 'being made': 'NOT_SUBGROUP' } },
  'group.tag of a member': CHANGES,
  'group.add-member': CHANGES,
  'group.add-member that joins by itself': CHANGES,
  'group.add-members': CHANGES,
  'group.leave': TAKES_AWAY,
  'group.expel-member': TAKES_AWAY,
  'group.request-join': CHANGES,
  'group.approve-request': CHANGES,
  'group.decline-request': TAKES_AWAY,
  // Who has asked for nothing learns nothing.
  'group.withdraw-request': { ends: { ...gone('JOIN_REQUEST_NOT_FOUND'), ...inArchived('done') } },
  'group.invite-member': CHANGES,
  'group.accept-invitation': CHANGES,
  'group.decline-invitation': TAKES_AWAY,
  'group.withdraw-invitation': TAKES_AWAY,
  'group.expire-invitation': IN_TIME,
  'group.take-in-members': null,
  'position.create': CHANGES,
  'position.update': CHANGES,
  'position.delete': CHANGES,
  'position.bind': CHANGES,
  'position.bind for another term': CHANGES,
  // It only takes away, and is in nobody's way.
  'position.unbind': {
    ends: {
      ...{ missing: 'GROUP_NOT_FOUND', 'being made': 'POSITION_NOT_FOUND', ...inArchived('done') },
      'being deleted': 'done',
    },
  },
  'position.end-term': IN_TIME,
};

const made = <C extends CommandName>(command: C, input: CommandInput<C> & { groupId: string }): Case => ({
  ...{ command, input, ids: {}, aggregateId: input.groupId },
});
const about = (one: Case, field: 'groupId' | 'parentId', groupId: string): Case => ({
  ...one,
  input: { ...one.input, [field]: groupId } as CommandInput<CommandName>,
});

let ground: Ground;
test.before(async () => {
  ground = await Ground.open();
  await ground.work();
});
test.after.always(() => ground?.close());

/** Lines at the same time: two cores do no more. */
const turns = new Turns(6);
const context = (): Context => ({ peers: ground.peers, run: (one) => ground.run(one) });

/** What has to be done, and is. */
async function done<C extends CommandName>(command: C, input: CommandInput<C> & { groupId: string }): Promise<void> {
  const { state, code } = await ground.run(made(command, input));
  if (state !== 'completed') throw new Error(`${command} ended ${state} (${code})`);
}

/** A group that a job has begun to make: it has its positions already. It is undone after a while. */
function beingMade(groupId: string): () => Promise<() => Promise<unknown>> {
  const { group, position } = ground.peers;
  const [jobId, visibility] = [newId(), 'VISIBILITY_OPEN' as const];
  const [begin, add] = [`${jobId}/group.beginCreateGroup`, `${jobId}/position.addDefaultPositions`];
  return async () => {
    const fields = { parentId: 'root', name: groupId, description: '', visibility, tags: [] };
    await group.beginCreateGroup({ operationId: begin, groupId, ...fields });
    await position.addDefaultPositions({ operationId: add, groupId, leaderId: newId() });
    return async () => {
      await position.undo({ operationId: add });
      await group.undo({ operationId: begin });
    };
  };
}

/** A group that a job has begun to delete, and deletes after a while. */
function beingDeleted(groupId: string): () => Promise<() => Promise<unknown>> {
  const { auth, group, position } = ground.peers;
  const jobId = newId();
  const of = (step: string) => ({ operationId: `${jobId}/${step}` });
  return async () => {
    await group.beginDeleteGroup({ ...of('begin'), groupId, cascade: true });
    return async () => {
      await auth.removeGroups({ ...of('remove'), groupId });
      await group.purgeMemberships({ ...of('memberships'), groupId, limit: 1_000 });
      const { groupIds } = await group.purgeGroups({ ...of('groups'), groupId, limit: 100 });
      const { positionIds } = await position.removeAllPositions({ ...of('positions'), groupIds });
      await auth.forgetGroups({ ...of('forget'), groupIds, positionIds });
    };
  };
}

/** Has a command come to its group in a state. @returns what it ends with, and what puts the group back */
async function comesTo(
  one: Case,
  field: 'groupId' | 'parentId',
  state: State,
): Promise<{ end: End; back?: () => Promise<void> }> {
  const groupId = (one.input as Record<typeof field, string>)[field];
  const ends = async (it: Case): Promise<End> => {
    const { state, code } = await ground.run(it);
    return state === 'completed' ? 'done' : (code ?? state);
  };
  const restoring = (id: string) => () => done('group.restore', { groupId: id });
  const other = newId();
  switch (state) {
    case 'missing':
      return { end: await ends(about(one, field, other)) };
    case 'being made':
      return { end: await ends({ ...about(one, field, other), occupy: beingMade(other) }) };
    case 'archived':
      await done('group.archive', { groupId });
      return { end: await ends(one), back: restoring(groupId) };
    case 'below an archived one': {
      const above = { groupId: other, parentId: 'root', name: other, description: '', tags: [] };
      await done('group.create', { ...above, visibility: 'VISIBILITY_OPEN' });
      await done('group.move', { groupId, parentId: other, byMemberId: newId() });
      await done('group.archive', { groupId: other });
      return { end: await ends(one), back: restoring(other) };
    }
    case 'being deleted':
      return { end: await ends({ ...one, occupy: beingDeleted(groupId) }) };
  }
}

test('every command of groups and positions has its line', (t) => {
  const commands = Object.keys(workflows).filter((name) => /^(group|position)\./.test(name));
  t.deepEqual(
    commands.filter((command) => !Object.hasOwn(LINES, command)),
    [],
  );
  t.true(commands.length > 20);
});

for (const [name, line] of Object.entries(LINES).flatMap(([name, line]) => (line ? [[name, line] as const] : [])))
  test(`${name}: ${Object.entries(line.ends)
    .map(([state, end]) => `${state}: ${end}`)
    .join(', ')}`, async (t) => {
    const { ends, make = way(name), field = 'groupId' } = line;
    await turns.take(async () => {
      let one: Case | undefined;
      for (const state of STATES) {
        one ??= await make(context());
        const { end, back } = await comesTo(one, field, state);
        t.is(end, ends[state], state);
        // What was refused has changed nothing: the next one comes to the same.
        if (end !== 'done') await back?.();
        else if (back) one = undefined;
      }
    });
  });
