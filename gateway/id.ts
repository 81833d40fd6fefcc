import { z } from 'zod';

/** An ID as examples have it. */
export const EXAMPLE_ID = '0199a7c0-5c3e-7d4a-9b1f-2e6d8c0a4f71';

/** The ID of a resource as clients write it, in either case; what is made of it is as it is kept, in lower case. */
export const idOf = (noun: string) =>
  z
    .uuid()
    .toLowerCase()
    .meta({ description: `The ID of the ${noun}, a UUID in either case`, examples: [EXAMPLE_ID] });

/** The ID of what may be built in: a UUID, or a word with dots, as `admin` is one. */
export const namedIdOf = (noun: string) =>
  z
    .string()
    .toLowerCase()
    .regex(
      /^(?:[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|[a-z]+(?:[.-][a-z]+){0,7})$/,
      'must be a UUID, or the word of a built-in one',
    )
    .max(100)
    .meta({ description: `The ID of the ${noun}: a UUID in either case, or the word of a built-in one`, examples: [EXAMPLE_ID] });

/** IDs as they are kept, `least` to `most` of them, none of which is given twice. */
export const distinctIds = (noun: string, least: number, most: number) =>
  z
    .array(idOf(noun))
    .min(least)
    .max(most)
    .superRefine((ids, { addIssue }) => {
      const known = new Set<string>();
      const again = ids.findIndex((id) => known.size === known.add(id).size);
      if (again >= 0) addIssue({ code: 'custom', path: [again], message: 'is given twice', params: { code: 'REPEATED' } });
    });
