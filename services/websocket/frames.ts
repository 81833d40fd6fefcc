import { z } from 'zod';
import { sentence } from '#platform/errors.ts';
import { sameId } from '#platform/id.ts';
import { jobView } from '#platform/job-view.ts';
import { repeatedName } from '#platform/json.ts';
import { CLIENT_CODES } from '#platform/problems.ts';
import { PARSING, violationsOf } from '#platform/validation.ts';
import { CURSOR_PATTERN, OWN_TOPIC } from './domain.ts';

const cursor = z.string().regex(CURSOR_PATTERN, 'must be a cursor of this server').meta({
  description:
    'A place in the events of a topic. Keep the last one of each, and bring them in the first `subscribe` of the next socket: nothing is missed then.',
});

/** The ID in it is read in either case, and written in lower case. */
const topic = z
  .string()
  .min(1)
  .max(200)
  .overwrite((name) => name.replace(/(?<=^job:).*/s, sameId));
const topics = z
  .array(topic)
  .max(100)
  .meta({ description: '`job:ID` of a job that you may read; `member:me`', examples: [[OWN_TOPIC, 'job:0199…']] });
const cursors = z.record(topic, cursor);

const ref = z.string().min(1).max(64).optional().meta({ description: 'Your mark on the frame: its answer carries it back.' });
const answered = z.string().optional().meta({ description: 'The `ref` of the frame that this answers.' });

/** The frames that a client may send, by type. */
export const clientFrames = {
  auth: z
    .strictObject({ type: z.literal('auth'), token: z.string().min(1).max(16_384).meta({ description: 'An access token' }), ref })
    .meta({
      description:
        'Who you are: the first frame, unless the upgrade had an Authorization header; and again before the token expires.',
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
      for (const topic of Object.keys(cursors)) {
        if (topic !== OWN_TOPIC && !topics.includes(topic)) wrong('must be among the topics', 'cursors', topic);
      }
      if (cursor !== undefined && (cursors[OWN_TOPIC] ?? cursor) !== cursor)
        wrong(`must be the one of ${OWN_TOPIC} in cursors`, 'cursor');
    })
    .meta({
      description:
        'Asks for events; with a cursor, also for what was missed since. A topic without a cursor has that of `member:me`. Frames about your own jobs come without asking, but with a cursor only after it.',
    }),
  unsubscribe: z
    .strictObject({ type: z.literal('unsubscribe'), topics, ref })
    .meta({ description: 'Ends subscriptions. That to `member:me` has no end.' }),
  ping: z.strictObject({ type: z.literal('ping'), ref }).meta({ description: 'Asks for a `pong`.' }),
};

/** The frames that the server sends, by type. */
export const serverFrames = {
  subscribed: z.strictObject({ type: z.literal('subscribed'), topics, cursors, cursor, ref: answered }).meta({
    description:
      'The topics of a `subscribe` that were accepted. In `cursors`, of each of them and of `member:me`, and in `cursor` of the latter: events after it follow.',
  }),
  unsubscribed: z.strictObject({ type: z.literal('unsubscribed'), topics, ref: answered }).meta({
    description: 'The topics of an `unsubscribe`: nothing of them follows.',
  }),
  job: z.strictObject({ type: z.literal('job'), topic, cursor: cursor.optional(), job: jobView }).meta({
    description:
      'A job was applied or has ended. One of your own is of the topic `member:me`. Without a cursor before the first `subscribe` of the socket: keep the one you have.',
  }),
  pong: z.strictObject({ type: z.literal('pong'), ref: answered }).meta({ description: 'The answer to a `ping`.' }),
  reset: z.strictObject({ type: z.literal('reset'), topic }).meta({
    description:
      'The cursor of this topic is too old: events were missed for good. Read again what you show of it; new events follow.',
  }),
  error: z
    .strictObject({
      type: z.literal('error'),
      ref: answered,
      topic: topic.optional().meta({ description: 'The topic that was refused, or has come to an end.' }),
      code: z.enum(CLIENT_CODES).meta({
        description: 'A stable upper-case word, as the problems of the REST API have it',
        examples: ['BAD_FRAME', 'TOPIC_UNKNOWN', 'JOB_NOT_FOUND'],
      }),
      message: z.string(),
    })
    .meta({ description: 'A frame, or a part of it, was refused. The socket stays open.' }),
};

type FrameOf<Frames extends Record<string, z.ZodType>> = { [T in keyof Frames]: z.output<Frames[T]> }[keyof Frames];
export type ClientFrame = FrameOf<typeof clientFrames>;
export type ServerFrame = FrameOf<typeof serverFrames>;

/** More than this helps nobody. */
const MAX_MESSAGE = 500;

/** What is wrong with a client's frame. */
export interface BadFrame {
  code: 'BAD_FRAME' | 'FRAME_UNKNOWN';
  message: string;
  /** The frame's own `ref`, if it has one that it may have. */
  ref?: string | undefined;
}

export function parseClientFrame(text: string): { frame: ClientFrame } | { bad: BadFrame } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { bad: { code: 'BAD_FRAME', message: 'The frame is not JSON.' } };
  }
  if (typeof value !== 'object' || value === null)
    return { bad: { code: 'BAD_FRAME', message: 'The frame is not a JSON object.' } };
  const given = value as { type?: unknown; ref?: unknown };
  const own = { ref: ref.safeParse(given.ref).data };
  const repeated = repeatedName(text);
  // Whoever reads the first value may not be the one who reads the last.
  if (repeated !== undefined) return { bad: { code: 'BAD_FRAME', message: notValid(`${repeated} must be given once`), ...own } };
  const type = typeof given.type === 'string' ? given.type : '';
  if (!isClientType(type)) {
    const message = notValid(`type must be one of ${Object.keys(clientFrames).join(', ')}`);
    return { bad: { code: 'FRAME_UNKNOWN', message, ...own } };
  }
  const parsed = clientFrames[type].safeParse(value, PARSING);
  if (parsed.success) return { frame: parsed.data };
  const wrong = parsed.error.issues.flatMap(violationsOf).map(({ field, message }) => `${field || type} ${message}`);
  return { bad: { code: 'BAD_FRAME', message: notValid(wrong.join('; ')), ...own } };
}

const notValid = (what: string): string => sentence(`the frame is not valid: ${what.slice(0, MAX_MESSAGE)}`);

function isClientType(type: string): type is keyof typeof clientFrames {
  return Object.hasOwn(clientFrames, type);
}
