import type { AggregateVersion } from '#proto/musubi/aggregate/v1/aggregate.ts';
import { requireWait } from '../domain.ts';
import { isProjected } from '../projections/registry.ts';
import { invalidVersions } from '../refusals.ts';
import type { Visibility } from '../visibility.ts';

/**
 * Answers once queries see every one of the versions, or later ones.
 * @throws INVALID_ARGUMENT; NOT_VISIBLE_YET (DEADLINE_EXCEEDED) after `waitMs`, or when the caller gave up
 */
export async function awaitVersions(
  visibility: Visibility,
  { versions, waitMs }: { versions: readonly AggregateVersion[]; waitMs: number },
  signal: AbortSignal,
): Promise<void> {
  if (versions.length > 100) throw invalidVersions('must be at most 100');
  for (const { type, id, version } of versions) {
    if (!isProjected(type)) throw invalidVersions(`must be of a type that queries follow, not "${type}"`);
    if (id === '' || id.includes('\0') || version < 1) throw invalidVersions('must each have an ID and a version');
  }
  await visibility.wait(versions, requireWait(waitMs), signal);
}
