import type { Role } from './domain.ts';
import type { Question } from './question.ts';

// Roles and questions that tests of policies share.

export const role = (_id: string, texts: string[], version = 1): Role => ({
  _id,
  version,
  policies: texts.map((cedar, index) => ({ policyId: `${index}`, name: '', cedar })),
});

export const ADMIN = role('admin', ['permit (principal, action, resource);']);
export const MEMBER = role('member', [
  'permit (principal, action in [Musubi::Action::"member.read", Musubi::Action::"member.list"], resource);',
  'permit (principal, action == Musubi::Action::"member.update", resource) when { resource == principal };',
  'permit (principal, action == Musubi::Action::"job.read", resource) when { resource has owner && resource.owner == principal };',
]);

export const question = (action: string, type: string, id = '', ownerId = ''): Question => ({
  memberId: 'm1',
  action,
  resource: { type, id, ownerId, within: [] },
});
