import { z } from 'zod';
import { LONGEST_NAME, line, lineOrNothing } from './fields.ts';

// What fields of groups may hold, whoever takes them (fields.ts).

/** The group of the whole organisation: it is there from the first start, and everybody is in it. */
export const ROOT = 'root';

/** How many groups are above each other at most, the whole organisation's among them. */
export const DEEPEST = 100;

/** How many groups are next to each other in one at most. */
export const MOST_SUBGROUPS = 10_000;

/** How many groups a member is in at most, the whole organisation's among them. */
export const MOST_GROUPS = 1_000;

/** How many groups a member can have asked to be let into, and be invited to, at most. */
export const MOST_CANDIDACIES = 1_000;

/** For how many days an invitation holds where nothing else is said, and at most. */
export const INVITED_DAYS = { default: 14, most: 366 } as const;

/** How many members one command adds to a group at most. */
export const MOST_ADDED = 10_000;

/** What is one name (`nameKey`), as clients are told. */
export const SAME_NAME = 'upper and lower case, full and half width are the same';

export const groupName = line(LONGEST_NAME).meta({
  description: `One of its kind among the groups right in the same one: ${SAME_NAME}`,
  examples: ['Kyoto office'],
});

export const groupDescription = lineOrNothing(500).meta({ examples: ['Whoever works in Kyoto'] });

/** How members come into a group. */
export const VISIBILITIES = ['open', 'request', 'invitation'] as const;

export const joinMessage = line(500).meta({
  description: 'To those who decide',
  examples: ['I work on the same project'],
});

export const groupVisibility = z.enum(VISIBILITIES, { error: `must be one of ${VISIBILITIES.join(', ')}` }).meta({
  description:
    '`open`: everybody finds the group and joins it; `request`: everybody finds it and asks to be let in; `invitation`: only who is in it or invited finds it',
});

/** How many tags a group has at most. */
export const MOST_TAGS = 100;
/** How many characters a tag has at most. */
const LONGEST_TAG = 50;

/** How many tags are on one group, or on one member of a group, at most. */
export const MOST_CARRIED = 20;

/** How many IDs the tags of a group have at most in all, with those of tags that became one. */
export const MOST_TAG_IDS = 1_000;

export const groupTag = line(LONGEST_TAG)
  // As a part of a path, clients leave these out.
  .regex(/^(?!\.{1,2}$)/, 'must not be . or ..')
  .meta({ maxLength: LONGEST_TAG, examples: ['sales'] });

/**
 * What makes a name one of its kind: names that look the same, or differ in case or width, are one. As nothing in JavaScript folds cases
 * (toCasefold, Unicode 3.13), it goes to the upper case and back, where ß is SS and ſ is S. That leaves two letters apart which are one: a sigma at the
 * end of a word, and a Turkish İ, which has its dot besides.
 */
export const nameKey = (name: string): string =>
  name
    .normalize('NFKC')
    .toLowerCase()
    .toUpperCase()
    .toLowerCase()
    .normalize('NFKD')
    .replaceAll('ς', 'σ')
    .replace(/(?<=i\p{M}*)\u0307/gu, '')
    .normalize('NFKC')
    .trim();

export const groupTags = z
  .array(groupTag)
  .max(MOST_TAGS, `must have at most ${MOST_TAGS} tags`)
  .meta({
    description: "The group's own set, which is put on its subgroups and on members in it",
    examples: [['sales', 'trial']],
  });
