import type { Database, Query } from '#platform/postgres/database.ts';
import type { Projection } from './projections/projection.ts';
import { PROJECTIONS } from './projections/registry.ts';

/** How long the version of what is gone is kept: longer than an event can be on its way, or parked. */
const GONE_KEPT = '31 days';
/** How many of those that are gone are looked at in one go. */
const WHOLES_AT_ONCE = 500;

/** Erases what has outlived that which it was a part of, then forgets what has been gone for long. */
export async function tidy(db: Database, goneKept = GONE_KEPT): Promise<void> {
  for (const { within } of PROJECTIONS) if (within) await eraseOutlived(db, within);
  for (const { prune } of PROJECTIONS) await toTheEnd(db, prune(goneKept));
}

/** What was more than one transaction erases, or was written by another one at the same time. */
async function eraseOutlived(db: Database, { of, eraseOutlived }: NonNullable<Projection['within']>): Promise<void> {
  for (let after = ''; ; ) {
    const gone = await db.query<{ id: string }>(of.gone(after, WHOLES_AT_ONCE));
    const last = gone.at(-1);
    if (!last) return;
    await toTheEnd(db, eraseOutlived({ partsOf: gone.map(({ id }) => id) }));
    after = last.id;
  }
}

/** Runs what does a part of its work at once, until it finds nothing to do. */
export async function toTheEnd<R>(db: Database, query: Query): Promise<R[]> {
  const all: R[] = [];
  for (;;) {
    const some = await db.query<R>(query);
    if (some.length === 0) return all;
    all.push(...some);
  }
}
