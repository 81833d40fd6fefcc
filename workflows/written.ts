import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';

/** The last version of each aggregate that was written, by its type and ID: short, for a run hands it on to the next. */
export type Written = Record<string, Record<string, number>>;

/** Notes what was written. A version is never replaced by an older one. */
function note(written: Written, { type, id, version }: AggregateVersion): void {
  written[type] ??= {};
  const ofType = written[type];
  if (version >= (ofType[id] ?? 0)) ofType[id] = version;
}

/** Notes what a step says that it wrote, one or several, so that the job ends only when queries see it. */
export function noteAnswer(written: Written, answer: unknown): void {
  const said = answer as { written?: AggregateVersion | AggregateVersion[]; alsoWritten?: AggregateVersion[] };
  for (const version of [said.written ?? [], said.alsoWritten ?? []].flat()) note(written, version);
}

export function noteAll(written: Written, more: Written): void {
  for (const version of listed(more)) note(written, version);
}

/** All of it, in the order in which the aggregates were first written. */
export const listed = (written: Written): AggregateVersion[] =>
  Object.entries(written).flatMap(([type, ids]) => Object.entries(ids).map(([id, version]) => ({ type, id, version })));
