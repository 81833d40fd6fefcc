import type { Served } from '#platform/grpc/server.ts';
import type { Database } from '#platform/postgres/database.ts';
import { serveState, type Told } from '#platform/state.ts';
import { settleTopic } from './positions.ts';
import { PROJECTIONS } from './projections/registry.ts';

/** Which states the read models have, so that they can be compared with the services' own. */
export function copiesState(db: Database): Served {
  const told = PROJECTIONS.map(({ aggregateType, topic, copies }): [string, Told] => [
    aggregateType,
    {
      retold: () => settleTopic(db, topic),
      read: async (which) => {
        const rows = await db.query<{ id: string; version: number; gone: boolean }>(copies(which));
        return rows.map(({ id, version, gone }) => ({
          aggregateType,
          aggregateId: id,
          version,
          type: gone ? `${aggregateType}.deleted` : `${aggregateType}.updated`,
          payload: null,
          deleted: gone,
        }));
      },
    },
  ]);
  return serveState(Object.fromEntries(told));
}
