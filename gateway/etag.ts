import { createHash } from 'node:crypto';
import { failedPrecondition, invalidArgument } from '#platform/errors.ts';

/**
 * The entity tag of a resource: the aggregate's version, which If-Match gives back, and a digest of what is shown,
 * as a resource may show more than one aggregate (a member and its roles).
 */
export function entityTag(version: number, resource: unknown): string {
  const digest = createHash('sha256').update(JSON.stringify(resource)).digest('base64url').slice(0, 8);
  return `"${version}.${digest}"`;
}

/**
 * Whether `If-None-Match` names the tag (RFC 9110: compared weakly). A `Cache-Control: no-cache` of the request does
 * not matter here, as nothing between is asked to revalidate: the answer is made from the resource as it is now.
 */
export function matchesAny(header: string, tag: string): boolean {
  const tags = header.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(tag);
}

/**
 * The version that `If-Match` names; undefined when any will do (no header, or `*`).
 * Only the version counts: a change of roles does not stand in the way of a new display name.
 */
export function expectedVersion(header: string): number | undefined {
  if (header === '' || header.trim() === '*') return undefined;
  const match = /^\s*(W\/)?"([\x21\x23-\x7e]*)"\s*$/.exec(header);
  if (!match) {
    throw invalidArgument('INVALID_ARGUMENT', 'If-Match must be one entity tag, as the ETag of an answer has it.', {
      fields: [{ field: 'If-Match', message: 'must be one entity tag' }],
    });
  }
  const version = /^(\d{1,15})(\.|$)/.exec(match[2] ?? '')?.[1];
  // If-Match compares strongly (RFC 9110): a weak tag, or one that we never gave, matches nothing.
  if (match[1] || version === undefined) throw failedPrecondition('VERSION_MISMATCH', 'No version of this has that entity tag.');
  return Number(version);
}
