import { z } from 'zod';
import { sentence } from '#platform/errors.ts';
import { type JobView, jobView } from '#platform/job-view.ts';
import { CLIENT_CODES } from '#platform/problems.ts';
import { parseJson } from '#platform/validation/json.ts';
import { PARSING, violationsOf } from '#platform/validation/schema.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import { groupTopic, jobTopic, MAX_FRAME_TOPICS, MAX_FRAME_VALUES, OWN_TOPIC, roomTopic } from './domain.ts';
import { cursor, topic } from './frame-fields.ts';
import { groupFrames } from './group-frames.ts';
import { roomFrames } from './room-frames.ts';

const topics = z
  .array(topic)
  .max(MAX_FRAME_TOPICS)
  .meta({
    description:
      '`job:ID` of a job that you may read; `group:ID` of a group that you may read (`group.read`); `room:ID` of a room that you are in (`room.read`); `member:me`',
    examples: [[OWN_TOPIC, 'job:0199…', 'group:0199…', 'room:0199…']],
  });
/** One for each topic, and that of `member:me`. */
const MAX_CURSORS = MAX_FRAME_TOPICS + 1;
const cursors = z
  .record(topic, cursor)
  .refine((given) => Object.keys(given).length <= MAX_CURSORS, `must have at most ${MAX_CURSORS} fields`)
  .meta({ maxProperties: MAX_CURSORS });

const mark = z.string().min(1).max(64);
const ref = mark.optional().meta({ description: 'Your mark on the frame: its answer carries it back, if it has one.' });
const answered = z.string().optional().meta({ description: 'The `ref` of the frame that this answers.' });

/** What the examples are of. */
const JOB_ID = '0199a7c0-5c3e-7d4a-9b1f-2e6d8c0a4f71';
const MEMBER_ID = '0199a7bf-11d2-7c08-8e55-90b3a6f4d217';
const JOB_TOPIC = jobTopic(JOB_ID);
const GROUP_TOPIC = groupTopic('0199a7c1-22d4-7b6e-8f10-6c0e5a4b9d33');
const ROOM_ID = '0199a7c2-4410-7d05-9c31-8f27e1b6a052';
const MESSAGE_ID = '0199a7c2-9b02-7e4a-8a17-2c5d6e7f8091';
const ROOM_TOPIC = roomTopic(ROOM_ID);
const CURSOR = '1790000000000-0';
const JOB: JobView = {
  id: JOB_ID,
  command: 'member.update',
  state: 'completed',
  progress: { done: 4, total: 4, step: 'done' },
  result: { id: MEMBER_ID },
  memberId: MEMBER_ID,
  createdAt: '2026-09-21T14:13:20.000Z',
  updatedAt: '2026-09-21T14:13:20.100Z',
  expiresAt: '2026-09-22T14:13:20.100Z',
};

const typedIn = z.uuid().toLowerCase().meta({ description: 'The room, a UUID in either case' });

/** The frames that a client may send, by type. */
export const clientFrames = {
  auth: z
    .strictObject({ type: z.literal('auth'), token: z.string().min(1).max(16_384).meta({ description: 'An access token' }), ref })
    .meta({
      description:
        'Who you are: the first frame, unless the upgrade had an Authorization header; and again before the token expires. A token that is good has no answer; one that is not closes the socket with 4401 or 4403; only one that cannot be checked now is answered, with an `error`.',
      examples: [{ type: 'auth', token: 'eyJhbGciOiJFZERTQSJ9…' }],
    }),
  subscribe: z
    .strictObject({
      type: z.literal('subscribe'),
      topics,
      cursors: cursors.optional().meta({ description: 'By topic: of `topics` or `member:me`.' }),
      cursor: cursor.optional().meta({ description: 'Short for the one of `member:me` in `cursors`.' }),
      ref,
    })
    .superRefine(({ topics, cursors = {}, cursor }, context) => {
      const wrong = (message: string, ...path: string[]) => context.addIssue({ code: 'custom', path, message });
      const named = new Set(topics).add(OWN_TOPIC);
      for (const topic of Object.keys(cursors)) {
        if (!named.has(topic)) wrong('must be among the topics', 'cursors', topic);
      }
      if (cursor !== undefined && (cursors[OWN_TOPIC] ?? cursor) !== cursor)
        wrong(`must be the one of ${OWN_TOPIC} in cursors`, 'cursor');
    })
    .meta({
      description:
        'Asks for events; with a cursor, also for what was missed since. A topic of a job without a cursor has that of `member:me`, one of a group or a room begins now. Frames about your own jobs, requests and invitations come without asking, but with a cursor only after it.',
      examples: [
        { type: 'subscribe', topics: [], cursor: CURSOR, ref: '1' },
        { type: 'subscribe', topics: [JOB_TOPIC], cursors: { [OWN_TOPIC]: CURSOR, [JOB_TOPIC]: CURSOR } },
        { type: 'subscribe', topics: [GROUP_TOPIC], cursors: { [OWN_TOPIC]: CURSOR, [GROUP_TOPIC]: CURSOR }, ref: '3' },
        { type: 'subscribe', topics: [ROOM_TOPIC], cursors: { [ROOM_TOPIC]: CURSOR }, ref: '4' },
      ],
    }),
  unsubscribe: z.strictObject({ type: z.literal('unsubscribe'), topics, ref }).meta({
    description: 'Ends subscriptions. That to `member:me` has no end.',
    examples: [{ type: 'unsubscribe', topics: [JOB_TOPIC], ref: '2' }],
  }),
  send: z
    .strictObject({
      type: z.literal('send'),
      ref: mark.meta({
        description:
          'Your mark on the message, as the `Idempotency-Key` of the REST API: the same of the same member in the same room is the same message, which is acknowledged as it is. So what was not acknowledged can be sent again, on another socket, too.',
      }),
      roomId: typedIn,
      text: z.string().meta({
        description:
          'Plain text, 1 to 16,000 characters, kept as it was written. What breaks a rule is refused with INVALID_MESSAGE.',
      }),
      replyToId: z.uuid().toLowerCase().optional().meta({ description: 'The message of the same room that it answers' }),
    })
    .meta({
      description:
        'Says something in a room that you are in, followed or not. It is kept once it is acknowledged (`ack`), and comes to all who follow the room, you too. What you send is said in the order in which you send it.',
      examples: [{ type: 'send', ref: 'a1', roomId: ROOM_ID, text: 'Who brings the watermelon?' }],
    }),
  read: z
    .strictObject({
      type: z.literal('read'),
      roomId: typedIn,
      sequence: z.int().min(1).meta({ description: 'The `sequence` of the last message that is read' }),
      ref,
    })
    .meta({
      description: 'Says up to which message you have read. It never goes back. It is answered with an `ack` if it has a `ref`.',
      examples: [{ type: 'read', roomId: ROOM_ID, sequence: 12 }],
    }),
  ping: z
    .strictObject({ type: z.literal('ping'), ref })
    .meta({ description: 'Asks for a `pong`.', examples: [{ type: 'ping', ref: '3' }] }),
};

/** The action that a frame needs the permission for, of each thing that it names, by its kind; null: whoever has a socket may send it. */
export const frameActions = {
  auth: null,
  subscribe: { job: 'job.read', group: 'group.read', room: 'room.read' },
  unsubscribe: null,
  send: { room: 'room.post' },
  read: { room: 'room.read' },
  ping: null,
} as const satisfies Record<keyof typeof clientFrames, Readonly<Record<string, Action>> | null>;

/** The frames that the server sends, by type. */
export const serverFrames = {
  subscribed: z.strictObject({ type: z.literal('subscribed'), topics, cursors, cursor, ref: answered }).meta({
    description:
      'The topics of a `subscribe` that were accepted. In `cursors`, of each of them and of `member:me`, and in `cursor` of the latter: events after it follow.',
    examples: [
      {
        type: 'subscribed',
        topics: [JOB_TOPIC],
        cursors: { [OWN_TOPIC]: CURSOR, [JOB_TOPIC]: CURSOR },
        cursor: CURSOR,
        ref: '1',
      },
    ],
  }),
  unsubscribed: z
    .strictObject({
      type: z.literal('unsubscribed'),
      topics,
      ref: answered,
      code: z
        .literal('PERMISSION_REVOKED')
        .optional()
        .meta({ description: 'Why the server has ended them; absent: the client has, by `unsubscribe`.' }),
      message: z.string().optional().meta({ description: 'The same in words.' }),
    })
    .meta({
      description:
        'Nothing of these topics follows: the client has unsubscribed, or the member may not follow them any more. The socket stays open.',
      examples: [
        { type: 'unsubscribed', topics: [JOB_TOPIC], ref: '2' },
        {
          type: 'unsubscribed',
          topics: [JOB_TOPIC],
          code: 'PERMISSION_REVOKED',
          message: 'The member may not follow this any more.',
        },
      ],
    }),
  job: z.strictObject({ type: z.literal('job'), topic, cursor: cursor.optional(), job: jobView }).meta({
    description:
      'A job was applied or has ended. One of your own is of the topic `member:me`. Without a cursor before the first `subscribe` of the socket: keep the one you have.',
    examples: [{ type: 'job', topic: OWN_TOPIC, cursor: CURSOR, job: JOB }],
  }),
  ...groupFrames,
  ...roomFrames,
  ack: z
    .strictObject({
      type: z.literal('ack'),
      ref: z.string().meta({ description: 'The `ref` of the frame that this answers.' }),
      messageId: z.string().optional().meta({ description: 'Of a `send`: the message' }),
      sequence: z.int().min(0).meta({
        description: "Of a `send`: the message's place in its room. Of a `read`: up to where you have read, which may be further",
      }),
    })
    .meta({
      description: 'What you have typed is done, and kept.',
      examples: [
        { type: 'ack', ref: 'a1', messageId: MESSAGE_ID, sequence: 12 },
        { type: 'ack', ref: 'a2', sequence: 12 },
      ],
    }),
  pong: z.strictObject({ type: z.literal('pong'), ref: answered }).meta({
    description: 'The answer to a `ping`.',
    examples: [{ type: 'pong', ref: '3' }],
  }),
  reset: z.strictObject({ type: z.literal('reset'), topic }).meta({
    description:
      'Events of this topic were missed for good: its cursor is too old, or of a time in which you could not see as much, or what you may follow was changed while no socket of yours followed it. Read again what you show of it; new events follow.',
    examples: [{ type: 'reset', topic: OWN_TOPIC }],
  }),
  error: z
    .strictObject({
      type: z.literal('error'),
      ref: answered,
      topic: topic.optional().meta({ description: 'The topic that was refused.' }),
      code: z.enum(CLIENT_CODES).meta({
        description: 'A stable upper-case word, as the problems of the REST API have it',
        examples: ['BAD_FRAME', 'TOPIC_UNKNOWN', 'JOB_NOT_FOUND'],
      }),
      message: z.string(),
    })
    .meta({
      description: 'A frame, or a part of it, was refused. The socket stays open.',
      examples: [{ type: 'error', ref: '1', topic: JOB_TOPIC, code: 'JOB_NOT_FOUND', message: 'There is no such job.' }],
    }),
};

type FrameOf<Frames extends Record<string, z.ZodType>> = { [T in keyof Frames]: z.output<Frames[T]> }[keyof Frames];
export type ClientFrame = FrameOf<typeof clientFrames>;
export type ServerFrame = FrameOf<typeof serverFrames>;

/** More than these help nobody. */
const MAX_VIOLATIONS = 5;
const MAX_MESSAGE = 500;

/** What is wrong with a client's frame. */
export interface BadFrame {
  code: 'BAD_FRAME' | 'FRAME_UNKNOWN';
  message: string;
  /** The frame's own `ref`, if it has one that it may have. */
  ref?: string | undefined;
}

export function parseClientFrame(text: string): { frame: ClientFrame } | { bad: BadFrame } {
  const parsed = parseJson(text, MAX_FRAME_VALUES);
  if (!('fault' in parsed)) return parseFrame(parsed.value);
  switch (parsed.fault) {
    case 'syntax':
      return { bad: { code: 'BAD_FRAME', message: 'The frame is not JSON.' } };
    case 'size':
      return { bad: { code: 'BAD_FRAME', message: `The frame has more than ${MAX_FRAME_VALUES} values.` } };
    case 'repeated':
      return { bad: { code: 'BAD_FRAME', message: notValid(`${parsed.name} must be given once`), ...refOf(parsed.value) } };
  }
}

function parseFrame(value: unknown): { frame: ClientFrame } | { bad: BadFrame } {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { bad: { code: 'BAD_FRAME', message: 'The frame is not a JSON object.' } };
  const own = refOf(value);
  const given = 'type' in value ? value.type : undefined;
  const type = typeof given === 'string' ? given : '';
  if (!isClientType(type)) {
    const message = notValid(`type must be one of ${Object.keys(clientFrames).join(', ')}`);
    return { bad: { code: 'FRAME_UNKNOWN', message, ...own } };
  }
  const parsed = clientFrames[type].safeParse(value, PARSING);
  if (parsed.success) return { frame: parsed.data };
  const wrong = parsed.error.issues.flatMap(violationsOf).slice(0, MAX_VIOLATIONS);
  const message = notValid(wrong.map(({ field, message }) => `${field || type} ${message}`).join('; '));
  return { bad: { code: 'BAD_FRAME', message, ...own } };
}

const refOf = (value: unknown): Pick<BadFrame, 'ref'> => ({ ref: ref.safeParse((value as { ref?: unknown } | null)?.ref).data });

const notValid = (what: string): string => sentence(`the frame is not valid: ${what.slice(0, MAX_MESSAGE)}`);

function isClientType(type: string): type is keyof typeof clientFrames {
  return Object.hasOwn(clientFrames, type);
}
