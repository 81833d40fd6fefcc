import type { Served } from '#platform/grpc/server.ts';
import { addEvents } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import { serveState, type Told } from '#platform/state.ts';
import { raiseBindings, readBindings } from './bindings.ts';
import { bindingsEvent, positionDeleted, positionEvent, writtenBindings, writtenPosition } from './events.ts';
import { raisePositions, readPositions } from './store.ts';

/** What Position says of its present state: positions, and who is bound to them. */
export function positionState(db: Database): Served {
  const position: Told = {
    read: async (which) =>
      (await readPositions(db, which)).map((one) => ({
        ...positionEvent('position.updated', one),
        changing: one.lockHolder !== null,
      })),
    raise: (seen) =>
      db.transaction(async (tx) => {
        const { raised, there } = await raisePositions(tx, seen);
        const gone = seen.filter(({ id }) => !there.has(id)).map(({ id, version }) => positionDeleted(id, version + 1));
        const present = await readPositions(tx, { ids: raised });
        const events = [...present.map((one) => positionEvent('position.updated', one)), ...gone];
        await addEvents(tx, events);
        return events.map(({ aggregateId, version }) => writtenPosition(aggregateId, version));
      }),
  };
  const bindings: Told = {
    read: async (which) => (await readBindings(db, which)).map(({ changing, ...each }) => ({ ...bindingsEvent(each), changing })),
    raise: (seen) =>
      db.transaction(async (tx) => {
        const raised = await readBindings(tx, { ids: await raiseBindings(tx, seen) });
        await addEvents(tx, raised.map(bindingsEvent));
        return raised.map(writtenBindings);
      }),
  };
  return serveState({ position, bindings });
}
