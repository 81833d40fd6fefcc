import { z } from 'zod';
import { isWellFormed, LONGEST_NAME, line, text, WELL_FORMED } from './fields.ts';

// What fields of rooms and messages may hold, whoever takes them (fields.ts).

/** How many members a room has at most that somebody has made, and how many it begins with beside its owner. */
export const MOST_ROOM_MEMBERS = 1_000;
export const MOST_FIRST_MEMBERS = 100;

/** How many talk in a direct room, at least and at most. */
export const DIRECT_MEMBERS = { least: 2, most: 10 } as const;

/** In how many rooms a member is at most. */
export const MOST_ROOMS = 1_000;

/** How many emoji a message has at most, and how many characters it has. */
export const MOST_REACTIONS = 50;
export const LONGEST_MESSAGE = 16_000;

export const roomName = line(LONGEST_NAME).meta({ description: 'Rooms may have the same name', examples: ['Summer party'] });

/** White space, and what is not seen: of nothing else a message must not be made. */
const SEEN = /[^\s\p{Z}\p{C}\p{DI}\u2800]|\p{Co}|\p{Cn}/v;

/** It is kept as it was written; whoever shows it isolates its direction (UAX #9), and takes it for no markup. */
export const messageText = text(1, LONGEST_MESSAGE)
  .refine(isWellFormed, WELL_FORMED)
  .refine((value) => !value.includes('\0'), { error: 'must not have the character NUL', params: { code: 'WRONG_FORMAT' } })
  .refine((value) => SEEN.test(value), { error: 'must have a character that is seen', params: { code: 'WRONG_FORMAT' } })
  .meta({
    description:
      'Plain text, kept as it was written, with line breaks: whoever shows it isolates its direction, and takes it for no markup',
    examples: ['Who brings the watermelon?'],
  });

export const emoji = z
  .string()
  .max(64)
  .refine((value) => /^\p{RGI_Emoji}$/v.test(value), { error: 'must be one emoji', params: { code: 'WRONG_FORMAT' } })
  .meta({ description: 'One emoji, as Unicode recommends it for general interchange (UTS #51)', examples: ['👍'] });
