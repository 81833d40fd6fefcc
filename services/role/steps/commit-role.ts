import type { OutboxEvent, Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import type { CommitRoleRequest, CommitRoleResponse } from '#proto/musubi/role/v1/role.ts';
import type { Role, RoleChange } from '../domain.ts';
import { roleDeleted, roleEvent, writtenRole } from '../events.ts';
import { attach, detach, keepName, roles } from '../store.ts';
import { begunRole } from './lock.ts';

/**
 * Does what the job has begun with the role. Auth goes by it already.
 * @throws ROLE_NOT_FOUND, LOCK_NOT_HELD
 */
export const commitRole: Step<CommitRoleRequest, CommitRoleResponse> = {
  async do(tx, { operationId, roleId }) {
    const { thing: role, pending } = await begunRole(tx, roleId, operationId);
    const event = await apply(tx, role, pending);
    return { result: { written: writtenRole(roleId, role.version) }, events: [event] };
  },
  undo: 'impossible',
};

async function apply(tx: Transaction, role: Role, pending: RoleChange): Promise<OutboxEvent> {
  const { roleId, version } = role;
  if (pending.change === 'delete') {
    await keepName(tx, 'role', roleId);
    await roles.remove(tx, roleId);
    return roleDeleted(roleId, version);
  }
  if (pending.change === 'attach') await attach(tx, roleId, pending.policyId);
  if (pending.change === 'detach') await detach(tx, roleId, pending.policyId);
  const named = pending.change === 'update' ? { name: pending.name, description: pending.description } : {};
  const changed = { ...role, ...named, policyIds: policyIdsAfter(role.policyIds, pending) };
  await keepName(tx, 'role', roleId, changed.name);
  await roles.save(tx, changed);
  return roleEvent(pending.change === 'create' ? 'role.created' : 'role.updated', changed);
}

function policyIdsAfter(policyIds: readonly string[], pending: RoleChange): string[] {
  if (pending.change === 'attach') return [...policyIds, pending.policyId].sort();
  return policyIds.filter((policyId) => pending.change !== 'detach' || policyId !== pending.policyId);
}
