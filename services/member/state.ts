import type { Served } from '#platform/grpc/server.ts';
import { addEvents } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import { serveState, type Told } from '#platform/state.ts';
import type { Member } from './domain.ts';
import { deletedEvent, memberEvent, writtenVersion } from './events.ts';
import { raiseMembers, readMembers } from './store.ts';

/** An event that tells of a member as it is. */
const present = (member: Member) => memberEvent(member.status === 'PENDING' ? 'member.created' : 'member.updated', member);

/** What Member says of its present state. */
export function memberState(db: Database): Served {
  const member: Told = {
    read: async (which) => (await readMembers(db, which)).map(present),

    raise: (seen) =>
      db.transaction(async (tx) => {
        const { raised, ids } = await raiseMembers(tx, seen);
        const gone = seen.filter(({ id }) => !ids.has(id)).map(({ id, version }) => ({ memberId: id, version: version + 1 }));
        await addEvents(tx, [...raised.map(present), ...gone.map(({ memberId, version }) => deletedEvent(memberId, version))]);
        return [...raised, ...gone].map(writtenVersion);
      }),
  };
  return serveState({ member });
}
