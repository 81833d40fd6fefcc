import type { ServiceDefinition } from '@grpc/grpc-js';
import { CONTRACTS } from '../activities/index.ts';
import { aggregateOf } from './inputs.fixture.ts';

/** What steps answer that find something out. */
const FOUND: Readonly<Record<string, object>> = {
  'group.beginUpdateGroup': { findableChanges: true },
  'member.beginUpdate': { loginChanges: true },
  'member.countMembers': { members: 1 },
  'member.listPart': { memberIds: ['m0'] },
  'role.countHolders': { holders: 1 },
  'group.countAdditions': { parts: 1 },
  'group.holdAdditions': { memberIds: ['m0'], hindered: [] },
  'auth.admitMembers': { refused: [] },
  'group.listInside': { memberIds: ['m0'], tooMany: false },
  'position.listEnding': { positionIds: ['p0'] },
  'position.listHolders': { memberIds: ['m1'], tooMany: false },
  'group.countDoomed': { groups: 1, memberships: 1 },
  'job.issueJob': { job: { jobId: 'issued' } },
  'term.setTerms': {},
};

/** What a service that does its work answers: of a step that says what it wrote, a version. */
export function usual(name: string, request: Record<string, unknown>): object {
  const found = FOUND[name];
  if (found) return found;
  if (name === 'position.beginChangeBindings') {
    const { groupId, memberId, bind, until } = request;
    const [positionId = 'released'] = [bind].flat();
    const terms = [{ groupId, memberId, positionId, until }];
    return { bindings: [{ memberId, positionIds: bind }], tenure: undefined, terms };
  }
  if (name === 'position.beginEndTerm') return { bindings: { memberId: request.memberId, positionIds: [] } };
  if (name.endsWith('.getOperation')) return { state: 'OPERATION_STATE_UNKNOWN' };
  const [service = '', method = ''] = name.split('.');
  const contract = CONTRACTS[service as keyof typeof CONTRACTS] as ServiceDefinition;
  const empty = contract[method]?.responseDeserialize(Buffer.alloc(0)) as object;
  if (!Object.hasOwn(empty, 'written')) return {};
  const types: Record<string, string> = {
    commitRole: 'role',
    commitPolicy: 'policy',
    commitBindings: 'bindings',
    commitRoom: 'room',
  };
  const type = types[method] ?? (service === 'role' ? 'member-roles' : service);
  const many = Array.isArray((empty as { written: unknown }).written);
  const version = { type, id: aggregateOf(request), version: service === 'role' || method === 'createMember' ? 1 : 2 };
  const left = method === 'commitRoom' ? { leftMemberIds: ['member-1', 'member-2'] } : {};
  return { ...empty, ...left, written: many ? [version] : version };
}
