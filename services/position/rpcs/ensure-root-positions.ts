import { addEvents } from '#platform/operations/postgres.ts';
import { type Database, sql } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { EnsureRootPositionsResponse } from '#proto/musubi/position/v1/position.ts';
import { defaultPositions } from '../domain.ts';
import { grantOf } from '../events.ts';
import { addPositions } from '../steps/add-default-positions.ts';
import { positionsOf } from '../store.ts';

/**
 * Makes sure that the whole organisation has its default positions, and tells all that it has: what was changed in them stays.
 * Idempotent; not part of a saga, so it has no undo.
 */
export const ensureRootPositions = (db: Database): Promise<EnsureRootPositionsResponse> =>
  db.transaction(async (tx) => {
    // One start at a time: those that come together wait for the first.
    await tx.query(sql`select pg_advisory_xact_lock(hashtext('musubi.position.root'))`);
    await addEvents(tx, await addPositions(tx, defaultPositions(ROOT)));
    const there = await positionsOf(tx, [ROOT]);
    return { positions: there.filter(({ version }) => version > 0).map(grantOf) };
  });
