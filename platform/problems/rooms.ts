import type { ProblemKind } from './kind.ts';

/** What commands, queries and messages of rooms can be refused for. */
export const ROOMS = {
  INVALID_ROOM: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A field of the room breaks a rule.',
    remedy: 'Mend the fields that `errors` names.',
  },
  INVALID_MESSAGE: {
    status: 'INVALID_ARGUMENT',
    meaning: 'A field of the message breaks a rule.',
    remedy: 'Mend the fields that `errors` names.',
  },
  INVALID_EMOJI: {
    status: 'INVALID_ARGUMENT',
    meaning: 'It is not one emoji.',
    remedy: 'Send one emoji, percent-encoded in the path.',
  },
  ROOM_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'There is no such room, or you are not in it.',
    remedy: 'Check the ID, or have somebody who owns the room add you.',
  },
  ROOM_BUSY: {
    status: 'ABORTED',
    meaning: 'Another command is changing this room, and did not end in time.',
    remedy: 'Send the command again with a new Idempotency-Key.',
  },
  NOT_ROOM_OWNER: {
    status: 'PERMISSION_DENIED',
    meaning: 'Only who owns the room may do this.',
    remedy: 'Ask one of its owners.',
  },
  DIRECT_ROOM: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The room is that of exactly those who are in it: it has no name and no owner, and nobody comes or goes.',
    remedy: 'Make a room of its own for others.',
  },
  ALREADY_IN_ROOM: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The member is in the room already.',
    remedy: 'Nothing needs to be done.',
  },
  NOT_IN_ROOM: { status: 'NOT_FOUND', meaning: 'The member is not in the room.', remedy: 'Nothing needs to be done.' },
  TOO_MANY_ROOM_MEMBERS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The room has as many members as a room can have: 1,000.',
    remedy: 'Remove another one first, or make another room.',
  },
  TOO_MANY_ROOMS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'A member is in as many rooms as a member can be: 1,000.',
    remedy: 'The member leaves another room first.',
  },
  MESSAGE_NOT_FOUND: {
    status: 'NOT_FOUND',
    meaning: 'The room has no such message, or it was deleted.',
    remedy: 'Check the IDs.',
  },
  NOT_AUTHOR: {
    status: 'PERMISSION_DENIED',
    meaning: 'Only who said it may change it, and only they and the owners of the room may delete it.',
    remedy: 'Ask who said it, or an owner of the room.',
  },
  TOO_MANY_REACTIONS: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The message has as many different emoji as a message can have: 50.',
    remedy: 'Use one that it has.',
  },
  TOO_MANY_MESSAGES: {
    status: 'RESOURCE_EXHAUSTED',
    meaning: 'The member has written too much of late: messages, changes of them, reactions and read marks, in all rooms.',
    remedy: 'Send it again after Retry-After.',
  },
  SEQUENCE_AHEAD: {
    status: 'FAILED_PRECONDITION',
    meaning: 'The room has no message with this number yet.',
    remedy: 'Send the number of a message that you have seen.',
  },
} as const satisfies Record<string, ProblemKind>;
