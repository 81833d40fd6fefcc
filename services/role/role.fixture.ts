import { randomUUID } from 'node:crypto';
import { sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { roleHandlers } from './grpc.ts';
import { openStore, policies, roles } from './store.ts';

/** What a call brings, in time enough for any test. */
export const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 600_000) };
export const PERMIT = 'permit (principal, action == Musubi::Action::"member.read", resource);';
export const unique = (word: string): string => `${word} ${randomUUID()}`;

/** A job that works on one thing: its steps have its ID. */
export const job = (jobId: string = randomUUID()) => ({ jobId, of: (step: string) => `${jobId}/${step}` });
export type Job = ReturnType<typeof job>;

/**
 * The service, with its built-in roles, on a database of one test file's own; and what tests do and ask again and again.
 *
 * @param name a word that tells whose database it is
 */
export async function openTestRole(name: string) {
  const scratch = scratchDatabase(`role_${name}`);
  const db = await openStore(scratch);
  const service = roleHandlers(db);
  await service.ensureBuiltInRoles({}, call);
  return {
    db,
    service,
    createRole: async (name = unique('Editor'), { jobId, of }: Job = job()) => {
      const roleId = randomUUID();
      await service.beginCreateRole({ operationId: of('begin'), roleId, name, description: 'may edit' }, call);
      const { written } = await service.commitRole({ operationId: of('commit'), roleId }, call);
      return { roleId, name, written, jobId };
    },
    createPolicy: async (name = unique('Read')) => {
      const policyId = randomUUID();
      const { of } = job();
      const given = { operationId: of('begin'), policyId, name, cedar: PERMIT, simple: undefined };
      await service.beginCreatePolicy(given, call);
      await service.commitPolicy({ operationId: of('commit'), policyId }, call);
      return { policyId, name };
    },
    attach: async (roleId: string, policyId: string) => {
      const { of } = job();
      await service.beginAttachPolicy({ operationId: of('begin'), roleId, policyId, expectedVersion: undefined }, call);
      await service.commitRole({ operationId: of('commit'), roleId }, call);
    },
    roleOf: async (roleId: string) => (await roles.read(db, { ids: [roleId] }))[0],
    policyOf: async (policyId: string) => (await policies.read(db, { ids: [policyId] }))[0],
    eventsOf: async (id: string): Promise<string[]> => {
      const rows = await db.query<{ type: string; version: number }>(
        sql`select type, version from outbox where aggregateid = ${id} order by version`,
      );
      return rows.map(({ type, version }) => `${type} ${version}`);
    },
    undo: (operationId: string) => service.undo({ operationId }, call),
    close: (): Promise<void> => scratch.drop(),
  };
}
