import type { EventMessage } from '#platform/kafka/event-message.ts';

// Histories as they may come to queries: in any order, repeated, and without what is old; for tests.

/** Of each aggregate its newest state; what was written of a version first is what every event of that version says. */
export function newest<S extends { version: number }>(states: readonly S[], keyOf: (state: S) => unknown) {
  const written = [...new Map(states.map((s) => [JSON.stringify([keyOf(s), s.version]), s])).values()];
  const last = new Map<string, S>();
  for (const s of written) {
    const key = JSON.stringify(keyOf(s));
    if (s.version > (last.get(key)?.version ?? 0)) last.set(key, s);
  }
  return { written, last: [...last.values()] };
}

/** Every event at least once, some more often, all mixed, in batches. */
export function mixed(events: readonly EventMessage[], next: (below: number) => number): EventMessage[][] {
  const all = events.flatMap((event) => Array.from({ length: 1 + next(3) }, () => event));
  for (let one = all.length - 1; one > 0; one--) {
    const other = next(one + 1);
    [all[one], all[other]] = [all[other] as EventMessage, all[one] as EventMessage];
  }
  const batches: EventMessage[][] = [];
  while (all.length > 0) batches.push(all.splice(0, 1 + next(8)));
  return batches;
}
