import type { Served } from '#platform/grpc/server.ts';
import { addEvents, type OutboxEvent } from '#platform/operations/postgres.ts';
import type { Database, Transaction } from '#platform/postgres/database.ts';
import { serveState, type Told, type Which } from '#platform/state.ts';
import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import {
  memberRolesEvent,
  policyDeleted,
  policyEvent,
  roleDeleted,
  roleEvent,
  writtenPolicy,
  writtenRole,
  writtenRoles,
} from './events.ts';
import { raiseVersions, readMemberRoles } from './member-roles.ts';
import { policies, roles } from './store.ts';

/** What is told of a table of roles or policies. */
interface Telling<Thing extends { lockHolder: string | null }> {
  table: {
    read(tx: Transaction, which: Which): Promise<Thing[]>;
    raise(tx: Transaction, seen: readonly AggregateVersion[]): Promise<{ raised: string[]; there: Set<string> }>;
  };
  /** Its present state. */
  event(thing: Thing): OutboxEvent;
  deleted(id: string, version: number): OutboxEvent;
  written(id: string, version: number): AggregateVersion;
}

function toldOf<Thing extends { lockHolder: string | null }>(
  db: Database,
  { table, event, deleted, written }: Telling<Thing>,
): Told {
  return {
    read: async (which) =>
      (await table.read(db, which)).map((thing) => ({ ...event(thing), changing: thing.lockHolder !== null })),
    raise: (seen) =>
      db.transaction(async (tx) => {
        const { raised, there } = await table.raise(tx, seen);
        const gone = seen.filter(({ id }) => !there.has(id)).map(({ id, version }) => deleted(id, version + 1));
        const events = [...(await table.read(tx, { ids: raised })).map(event), ...gone];
        await addEvents(tx, events);
        return events.map(({ aggregateId, version }) => written(aggregateId, version));
      }),
  };
}

/** What Role says of its present state: roles, policies, and which roles members hold. */
export function roleState(db: Database): Served {
  const memberRoles: Told = {
    read: async (which) =>
      (await readMemberRoles(db, which)).map(({ changing, ...each }) => ({
        ...memberRolesEvent('member-roles.assigned', each),
        changing,
      })),

    raise: (seen) =>
      db.transaction(async (tx) => {
        const raised = await readMemberRoles(tx, { ids: await raiseVersions(tx, seen) });
        await addEvents(
          tx,
          raised.map((each) => memberRolesEvent('member-roles.assigned', each)),
        );
        return raised.map(writtenRoles);
      }),
  };
  return serveState({
    'member-roles': memberRoles,
    role: toldOf(db, {
      table: roles,
      event: (role) => roleEvent('role.updated', role),
      deleted: roleDeleted,
      written: writtenRole,
    }),
    policy: toldOf(db, {
      table: policies,
      event: (policy) => policyEvent('policy.updated', policy),
      deleted: policyDeleted,
      written: writtenPolicy,
    }),
  });
}
