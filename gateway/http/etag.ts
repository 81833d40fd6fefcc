import { hash } from 'node:crypto';
import { z } from 'zod';
import { failedPrecondition } from '#platform/errors.ts';

/**
 * The entity tag of a resource: the aggregate's version, which If-Match gives back, and a digest of what is shown,
 * as a resource may show more than one aggregate (a member and its roles).
 */
export function entityTag(version: number, resource: unknown): string {
  const digest = hash('sha256', JSON.stringify(resource), 'base64url').slice(0, 8);
  return `"${version}.${digest}"`;
}

/** What a response with {@link tagged} declares. */
export const etagHeader = { ETag: 'For If-Match and If-None-Match' };

/** The answer that shows a resource: whoever keeps a copy asks whether it is still good. */
export const tagged = <Body>(version: number, body: Body) => ({
  status: 200 as const,
  body,
  headers: { ETag: entityTag(version, body), 'Cache-Control': 'private, no-cache' },
});

/** An entity tag (RFC 9110, 8.8.3) of ASCII, as ours are. */
const TAG = '(?:W/)?"[\\x21\\x23-\\x7e]*"';

/** `If-Match`, for a command on one resource. */
export const ifMatch = z
  .string()
  .regex(new RegExp(`^(?:\\*|${TAG})$`), 'must be one entity tag, as the ETag of an answer has it, or *')
  .optional()
  .meta({
    description: 'The ETag that was seen: refused (VERSION_MISMATCH) when the resource has changed since',
    examples: ['"3.mPq5x2Aa"'],
  });

/** `If-None-Match`, for a query of one resource. */
export const ifNoneMatch = z
  .string()
  .regex(new RegExp(`^(?:\\*|${TAG}(?: *, *${TAG})*)$`), 'must be entity tags, as the ETags of answers have them, or *')
  .optional()
  .meta({
    description: 'The ETags of the copies at hand: if one is still good, the answer is 304 without a body',
    examples: ['"3.mPq5x2Aa"'],
  });

/**
 * Whether `If-None-Match` names the tag (RFC 9110: compared weakly). A `Cache-Control: no-cache` of the request does
 * not matter here, as nothing between is asked to revalidate: the answer is made from the resource as it is now.
 */
export function matchesAny(header: string, tag: string): boolean {
  const tags = header.split(',').map((one) => one.trim().replace(/^W\//, ''));
  return tags.includes('*') || tags.includes(tag);
}

/**
 * The version that {@link ifMatch} names; undefined when any will do (no header, or `*`).
 * Only the version counts: a change of roles does not stand in the way of a new display name.
 */
export function expectedVersion(tag: string | undefined): number | undefined {
  if (tag === undefined || tag === '*') return undefined;
  // If-Match compares strongly (RFC 9110): a weak tag, or one that we never gave, matches nothing.
  const version = Number(/^"(\d{1,16})(\.[^"]*)?"$/.exec(tag)?.[1]);
  if (!Number.isSafeInteger(version)) throw failedPrecondition('VERSION_MISMATCH', 'No version of this has that entity tag.');
  return version;
}
