import type { Served } from '#platform/grpc/server.ts';
import { addEvents } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import { serveState, type Told } from '#platform/state.ts';
import type { Member } from './domain.ts';
import { deletedEvent, memberEvent, schemaEvent, writtenSchema, writtenVersion } from './events.ts';
import { lockSchema, readSchemas, type Schema, saveSchema } from './schema-store.ts';
import { raiseMembers, readMembers } from './store.ts';

/** An event that tells of a member as it is. */
const present = (member: Member) => memberEvent(member.status === 'PENDING' ? 'member.created' : 'member.updated', member);

/** What Member says of its present state. */
export function memberState(db: Database): Served {
  const member: Told = {
    read: async (which) =>
      (await readMembers(db, which)).map((member) => ({
        ...present(member),
        changing: member.lock !== null || member.closedBy !== null,
      })),

    raise: (seen) =>
      db.transaction(async (tx) => {
        const { raised, ids } = await raiseMembers(tx, seen);
        const gone = seen.filter(({ id }) => !ids.has(id)).map(({ id, version }) => ({ memberId: id, version: version + 1 }));
        await addEvents(tx, [...raised.map(present), ...gone.map(({ memberId, version }) => deletedEvent(memberId, version))]);
        return [...raised, ...gone].map(writtenVersion);
      }),
  };
  /** None is ever gone. */
  const schema: Told = {
    read: async (which) => (await readSchemas(db, which)).map(schemaEvent),

    raise: (seen) =>
      db.transaction(async (tx) => {
        const raised: Schema[] = [];
        for (const { id, version } of seen) {
          const now = await lockSchema(tx, id);
          if (now.version > version) continue;
          const newer = { ...now, version: version + 1 };
          await saveSchema(tx, newer);
          raised.push(newer);
        }
        await addEvents(tx, raised.map(schemaEvent));
        return raised.map(writtenSchema);
      }),
  };
  return serveState({ member, 'member-schema': schema });
}
