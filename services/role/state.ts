import type { Served } from '#platform/grpc/server.ts';
import { addEvents } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import { serveState, type Told } from '#platform/state.ts';
import { memberRolesEvent, writtenVersion } from './events.ts';
import { raiseVersions, readMemberRoles } from './store.ts';

/** What Role says of its present state: which roles members hold. */
export function roleState(db: Database): Served {
  const memberRoles: Told = {
    read: async (which) => (await readMemberRoles(db, which)).map((each) => memberRolesEvent('member-roles.assigned', each)),

    raise: (seen) =>
      db.transaction(async (tx) => {
        const raised = await readMemberRoles(tx, { ids: await raiseVersions(tx, seen) });
        await addEvents(
          tx,
          raised.map((each) => memberRolesEvent('member-roles.assigned', each)),
        );
        return raised.map(writtenVersion);
      }),
  };
  return serveState({ 'member-roles': memberRoles });
}
