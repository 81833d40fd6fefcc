import { invalidFields, notFound } from '#platform/errors.ts';
import { ADMIN, MOST_ROLES } from '#platform/validation/access-fields.ts';
import type { ChangeRolesRequest, ChangeRolesResponse } from '#proto/musubi/auth/v1/auth.ts';
import { type PermittedStep, requireAdministrator, requireHeld } from '../permitted.ts';
import { factsOf } from '../policy-facts.ts';
import { changeLogin, requireAdmin } from '../store.ts';

interface Kept {
  memberId: string;
  roleIds: string[];
}

/**
 * Gives a member exactly these roles. Who is no administrator gives only what it holds itself, and takes away nothing that
 * forbids.
 *
 * @throws MEMBER_NOT_FOUND, ROLE_NOT_FOUND, LAST_ADMIN, EXCEEDS_OWN_PERMISSIONS
 */
export const changeRoles: PermittedStep<ChangeRolesRequest, ChangeRolesResponse, Kept> = {
  takesAway: true,
  async do({ store, session }, { memberId, roleIds }, author) {
    if (roleIds.length > MOST_ROLES) throw invalidFields([{ field: 'roleIds', message: `must be at most ${MOST_ROLES}` }]);
    const changed = await changeLogin(store, session, memberId, { roleIds: [...roleIds] }, ['active', 'suspended']);
    if (!changed) throw notFound('MEMBER_NOT_FOUND', 'there is no such member');
    const { before } = changed;
    const [added, taken] = [minus(roleIds, before.roleIds), minus(before.roleIds, roleIds)];
    const roles = await store.roles.find({ _id: { $in: [...roleIds, ...taken] } }, { session }).toArray();
    const missing = minus(
      added,
      roles.map(({ _id }) => _id),
    );
    if (missing.length > 0) throw notFound('ROLE_NOT_FOUND', `there is no role ${missing.join(', ')}`);
    const policiesOf = (ids: readonly string[]) =>
      roles.filter(({ _id }) => ids.includes(_id)).flatMap(({ policies }) => policies);
    if (added.includes(ADMIN) || taken.includes(ADMIN)) requireAdministrator(author);
    await requireHeld(author, policiesOf(added), policiesOf(roleIds));
    // What forbids is not taken away, and an administrator is not bound by it.
    const isAdmin = before.roleIds.includes(ADMIN);
    const bound = policiesOf(isAdmin ? [...added, ...taken] : taken);
    if (bound.some(({ cedar }) => factsOf(cedar).forbids)) requireAdministrator(author);
    // Whatever is added may just be made to forbid.
    if (isAdmin && before.status === 'active' && (added.length > 0 || taken.includes(ADMIN))) await requireAdmin(store, session);
    return { result: {}, kept: { memberId, roleIds: before.roleIds } };
  },
  async undo({ store, session }, { memberId, roleIds }) {
    await changeLogin(store, session, memberId, { roleIds });
  },
};

const minus = (all: readonly string[], others: readonly string[]): string[] => all.filter((one) => !others.includes(one));
