import { invalidFields } from '#platform/errors.ts';
import type { Condition } from '#proto/musubi/access/v1/condition.ts';

// Lists, as the services that are played have them.

/** No list of the fixture has a second page. */
export function noPageToken(pageToken: string): void {
  const fields = [{ field: 'pageToken', code: 'INVALID', message: 'must be the nextPageToken of a page' }] as const;
  if (pageToken !== '') throw invalidFields(fields, 'PAGE_TOKEN_INVALID');
}

/** Of conditions it knows those of the tests; who brings none sees nothing. */
export function sees(seen: Condition | undefined, id: string): boolean {
  if (seen?.kind?.$case === 'ids') return seen.kind.value.ids.includes(id);
  return seen?.kind?.$case === 'always' && seen.kind.value;
}
