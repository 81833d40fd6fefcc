import { z } from 'zod';
import { sameId } from '#platform/validation/id.ts';
import { CURSOR_PATTERN } from './domain.ts';

export const cursor = z.string().regex(CURSOR_PATTERN, 'must be a cursor of this server').meta({
  description:
    'A place in the events of a topic. Keep the last one of each, and bring them in the first `subscribe` of the next socket: nothing is missed then.',
});

/** The ID in it is read in either case, and written in lower case. */
export const topic = z
  .string()
  .min(1)
  .max(200)
  .overwrite((name) => name.replace(/(?<=^(?:job|group|room):).*/s, sameId));
