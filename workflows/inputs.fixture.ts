import type { Term } from '../activities/terms.ts';
import type { CommandInput, CommandName } from './commands.ts';
import type { RecoverInput } from './recover.ts';

const MEMBER_ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const MEMBER = { memberId: MEMBER_ID };
const ROLE = { roleId: '01890a5d-ac96-774b-bcce-b302099a8061' };
const POSITION = { groupId: '01890a5d-ac96-774b-bcce-b302099a8063', positionId: '01890a5d-ac96-774b-bcce-b302099a8064' };
const GROUP = { groupId: '01890a5d-ac96-774b-bcce-b302099a8063' };
const ROOM = { roomId: '01890a5d-ac96-774b-bcce-b302099a8065', byMemberId: '01890a5d-ac96-774b-bcce-b302099a8058' };
const POLICY = { policyId: '01890a5d-ac96-774b-bcce-b302099a8062' };

/** Inputs as the gateway would give them. */
export const INPUTS: { [C in CommandName]: CommandInput<C> } & Record<'saga.recover', RecoverInput> &
  Record<'term', Term> &
  Record<'member.whole' | 'member.list', object> = {
  'auth.change-password': { memberId: MEMBER_ID, sessionId: 's1', passwordRef: 'ref', endOtherSessions: true },
  'member.register': {
    memberId: MEMBER_ID,
    loginId: 'taro',
    displayName: 'Taro',
    email: 'taro@example.com',
    passwordRef: 'ref',
  },
  'member.update': {
    memberId: MEMBER_ID,
    changes: { loginId: 'jiro', displayName: 'Jiro' },
    expectedVersion: 2,
  },
  'member.delete': { memberId: MEMBER_ID, expectedVersion: 3 },
  'member.suspend': {
    memberId: MEMBER_ID,
    byMemberId: '01890a5d-ac96-774b-bcce-b302099a8058',
    reason: 'left the project',
    expectedVersion: 3,
  },
  'member.reinstate': { memberId: MEMBER_ID, expectedVersion: 3 },
  'group.create': {
    ...GROUP,
    parentId: 'root',
    name: 'Kyoto office',
    description: '',
    visibility: 'VISIBILITY_INVITATION',
    tags: ['sales'],
    creatorId: MEMBER_ID,
  },
  'group.update': { ...GROUP, changes: { visibility: 'VISIBILITY_INVITATION' }, expectedVersion: 1 },
  'group.move': { ...GROUP, parentId: 'root', byMemberId: MEMBER_ID },
  'group.change-tags': { ...GROUP, change: 'TAGS_CHANGE_RENAME', tag: 'sales', name: 'Sales', merge: true },
  'group.archive': { ...GROUP, expectedVersion: 2 },
  'group.restore': { ...GROUP },
  'group.delete': { ...GROUP, cascade: true },
  'role.create': { ...ROLE, name: 'Editor', description: 'may edit' },
  'role.update': { ...ROLE, changes: { name: 'Author' }, expectedVersion: 1 },
  'role.delete': { ...ROLE, expectedVersion: 2 },
  'role.attach-policy': { ...ROLE, ...POLICY },
  'role.detach-policy': { ...ROLE, ...POLICY },
  'role.assign': { ...MEMBER, ...ROLE },
  'role.revoke': { ...MEMBER, ...ROLE },
  'policy.create': { ...POLICY, name: 'Everything', cedar: 'permit (principal, action, resource);' },
  'policy.update': { ...POLICY, changes: { name: 'All' } },
  'policy.delete': { ...POLICY },
  'position.create': { ...POSITION, name: 'Treasurer', permissions: [{ action: 'group.update', reach: 'REACH_HERE' }] },
  'position.update': {
    ...POSITION,
    changes: { name: 'Secretary', permissions: [] },
    byMemberId: '01890a5d-ac96-774b-bcce-b302099a8058',
    expectedVersion: 1,
  },
  'position.delete': { ...POSITION, expectedVersion: 2 },
  'position.bind': {
    ...POSITION,
    ...MEMBER,
    byMemberId: '01890a5d-ac96-774b-bcce-b302099a8058',
    until: '2027-04-01T00:00:00.000Z',
  },
  'position.end-term': { ...POSITION, ...MEMBER, until: '2027-04-01T00:00:00.000Z' },
  'position.unbind': { ...POSITION, ...MEMBER },
  'member.release-login': { holdId: '5b0fd6cc-0a3c-8d52-9d1c-1f2f7c5a9b10' },
  'member.set-schema': { schemaId: 'member', schema: { type: 'object' }, expectedVersion: 1 },
  'group.add-members': { ...GROUP, memberIds: [MEMBER_ID] },
  'group.add-member': { ...GROUP, ...MEMBER, byMemberId: '01890a5d-ac96-774b-bcce-b302099a8058' },
  'group.leave': { ...GROUP, ...MEMBER, successorId: '01890a5d-ac96-774b-bcce-b302099a8058' },
  'group.expel-member': {
    ...GROUP,
    ...MEMBER,
    reason: 'the project is over',
    successorId: '01890a5d-ac96-774b-bcce-b302099a8058',
    byMemberId: '01890a5d-ac96-774b-bcce-b302099a8059',
  },
  'group.request-join': { ...GROUP, ...MEMBER, message: 'I work on the same project' },
  'group.withdraw-request': { ...GROUP, ...MEMBER },
  'group.approve-request': { ...GROUP, ...MEMBER },
  'group.decline-request': { ...GROUP, ...MEMBER, reason: 'another project' },
  'group.invite-member': {
    ...GROUP,
    ...MEMBER,
    byMemberId: '01890a5d-ac96-774b-bcce-b302099a8058',
    until: '2030-01-02T03:04:05.678Z',
  },
  'group.accept-invitation': { ...GROUP, ...MEMBER },
  'group.decline-invitation': { ...GROUP, ...MEMBER },
  'group.withdraw-invitation': { ...GROUP, ...MEMBER },
  'group.expire-invitation': { ...GROUP, ...MEMBER, until: '2030-01-02T03:04:05.678Z' },
  'group.tag': { ...GROUP, ...MEMBER, tag: 'sales', isOn: true },
  'group.take-in-members': { groupId: 'root' },
  'room.create': { roomId: ROOM.roomId, ownerId: ROOM.byMemberId, name: 'Summer party', memberIds: [MEMBER_ID] },
  'room.open-direct': { roomId: '5b0fd6cc-0a3c-8d52-9d1c-1f2f7c5a9b11', memberIds: [MEMBER_ID, ROOM.byMemberId] },
  'room.update': { ...ROOM, name: 'Winter party', expectedVersion: 1 },
  'room.delete': { ...ROOM, expectedVersion: 2 },
  'room.add-member': { ...ROOM, ...MEMBER },
  'room.remove-member': { ...ROOM, ...MEMBER },
  'saga.recover': { command: 'member.register', aggregateId: '01890a5d-ac96-774b-bcce-b302099a8057', undoing: false },
  term: {
    about: `position/${POSITION.groupId}/${MEMBER_ID}/${POSITION.positionId}`,
    until: '2026-11-01T00:00:00.000Z',
    command: 'position.end-term',
    input: { ...POSITION, ...MEMBER, until: '2026-11-01T00:00:00.000Z' },
    aggregateId: POSITION.groupId,
    ...MEMBER,
    summary: `How long member ${MEMBER_ID} is bound to position ${POSITION.positionId}`,
  },
  // Of tests (child.fixture.ts, list.fixture.ts).
  'member.whole': { memberIds: ['m0', 'm1', 'm2'] },
  'member.list': { memberIds: Array.from({ length: 40 }, (_, i) => `m${i}`) },
};

/** The ID of the aggregate that a saga, or a step, is about. */
export function aggregateOf(input: object): string {
  const ids = input as Record<string, unknown>;
  if (ids.roomId) return String(ids.roomId);
  if (ids.positionId) return String(ids.memberId ? ids.groupId : ids.positionId);
  return String(ids.memberId ?? ids.holdId ?? ids.schemaId ?? ids.roleId ?? ids.policyId ?? ids.groupId ?? 'aggregate');
}
