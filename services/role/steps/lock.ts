import type { Step } from '#platform/operations/postgres.ts';
import type { Transaction } from '#platform/postgres/database.ts';
import { jobOf } from '#platform/validation/id.ts';
import { freed, type Lockable, type Policy, type PolicyChange, type Role, type RoleChange } from '../domain.ts';
import { builtIn, notBegun, policyBusy, policyNotFound, roleBusy, roleNotFound, versionMismatch } from '../refusals.ts';
import { keepName, policies, roles } from '../store.ts';

interface Named<Change> extends Lockable<Change> {
  name: string;
  builtIn: boolean;
}

/** What jobs take one at a time: roles, policies. */
interface Taken<Thing> {
  kind: 'role' | 'policy';
  table: {
    find(tx: Transaction, id: string): Promise<Thing | undefined>;
    save(tx: Transaction, thing: Thing): Promise<void>;
    remove(tx: Transaction, id: string): Promise<void>;
  };
  notFound(id: string): Error;
  busy(): Error;
}

/** What the undo of a beginning needs. */
export interface Kept {
  id: string;
  jobId: string;
}

/** What a job begins to do to a thing. */
interface Beginning<Change, Response> {
  pending: Change;
  result: Response;
}

type Beginner<Thing, Change, Asked, Response> = (
  tx: Transaction,
  thing: Thing,
  request: Asked,
) => Promise<Beginning<Change, Response>>;

function taking<Change, Thing extends Named<Change>>({ kind, table, notFound, busy }: Taken<Thing>) {
  const letGo = async (tx: Transaction, { id, jobId }: Kept): Promise<void> => {
    const thing = await table.find(tx, id);
    if (thing?.lockHolder !== jobId) return;
    await keepName(tx, kind, id, thing.version > 0 ? thing.name : undefined);
    if (thing.version > 0) await table.save(tx, freed(thing));
    else await table.remove(tx, id);
  };
  const begun = async (tx: Transaction, id: string, operationId: string): Promise<{ thing: Thing; pending: Change }> => {
    const thing = await table.find(tx, id);
    if (!thing) throw notFound(id);
    if (thing.lockHolder !== jobOf(operationId) || !thing.pending) throw notBegun();
    return { thing: { ...freed(thing), version: thing.version + 1, updatedAt: new Date() }, pending: thing.pending };
  };
  const lock =
    <Asked extends { operationId: string; expectedVersion?: number | undefined }>(idOf: (request: Asked) => string) =>
    <Response>(begin: Beginner<Thing, Change, Asked, Response>): Step<Asked, Response, Kept> => ({
      async do(tx, request) {
        const { operationId, expectedVersion } = request;
        const [id, jobId] = [idOf(request), jobOf(operationId)];
        const thing = await table.find(tx, id);
        if (!thing) throw notFound(id);
        if (thing.builtIn) throw builtIn();
        if (thing.lockHolder !== null) throw busy();
        if (expectedVersion !== undefined && expectedVersion !== thing.version) throw versionMismatch(kind);
        const { pending, result } = await begin(tx, thing, request);
        await table.save(tx, { ...thing, pending, lockHolder: jobId });
        return { result, kept: { id, jobId } };
      },
      undo: letGo,
    });
  return { letGo, begun, lock };
}

const ofRoles = taking<RoleChange, Role>({
  kind: 'role',
  table: roles,
  notFound: (id) => roleNotFound([id]),
  busy: roleBusy,
});
const ofPolicies = taking<PolicyChange, Policy>({
  kind: 'policy',
  table: policies,
  notFound: policyNotFound,
  busy: policyBusy,
});

/** Lets go of what a job has begun to change: it is as it was. What the job was creating is gone. */
export const { letGo: letRoleGo, begun: begunRole } = ofRoles;
export const { letGo: letPolicyGo, begun: begunPolicy } = ofPolicies;

/**
 * The step by which a job takes a role, with what it will make of it. Nothing that others see changes.
 *
 * @param begin refuses what is asked of that role
 * @throws ROLE_NOT_FOUND, BUILT_IN, VERSION_MISMATCH; ROLE_BUSY (retryable)
 */
export const lockRole = <Asked extends { operationId: string; roleId: string; expectedVersion?: number | undefined }, Response>(
  begin: Beginner<Role, RoleChange, Asked, Response>,
) => ofRoles.lock<Asked>(({ roleId }) => roleId)(begin);

/** The same of a policy. @throws POLICY_NOT_FOUND, BUILT_IN, VERSION_MISMATCH; POLICY_BUSY (retryable) */
export const lockPolicy = <
  Asked extends { operationId: string; policyId: string; expectedVersion?: number | undefined },
  Response,
>(
  begin: Beginner<Policy, PolicyChange, Asked, Response>,
) => ofPolicies.lock<Asked>(({ policyId }) => policyId)(begin);
