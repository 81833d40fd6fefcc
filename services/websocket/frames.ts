import { z } from 'zod';
import { jobView } from '#platform/job-view.ts';
import { CURSOR_PATTERN } from './domain.ts';

const cursor = z.string().regex(CURSOR_PATTERN, 'is not a cursor of this server').meta({
  description:
    "A place in the member's events. Keep the last one you were given, and bring it in the first `subscribe` of the next socket: nothing is missed then.",
});

const topics = z
  .array(z.string().min(1).max(200))
  .max(100)
  .meta({ description: '`job:ID` of a job that you may read; `member:me`', examples: [['member:me', 'job:0199…']] });

/** The frames that a client may send, by type. */
export const clientFrames = {
  auth: z
    .strictObject({ type: z.literal('auth'), token: z.string().min(1).max(16_384).meta({ description: 'An access token' }) })
    .meta({
      description:
        'Who you are: the first frame, unless the upgrade had an Authorization header; and again before the token expires.',
    }),
  subscribe: z.strictObject({ type: z.literal('subscribe'), topics, cursor: cursor.optional() }).meta({
    description:
      'Asks for events; with a cursor, also for what was missed since. Frames about your own jobs come without it, but with a cursor only after it.',
  }),
  unsubscribe: z.strictObject({ type: z.literal('unsubscribe'), topics }).meta({ description: 'Ends subscriptions.' }),
  ping: z.strictObject({ type: z.literal('ping') }).meta({ description: 'Asks for a `pong`.' }),
};

/** The frames that the server sends, by type. */
export const serverFrames = {
  subscribed: z.strictObject({ type: z.literal('subscribed'), topics, cursor }).meta({
    description: 'The topics of a `subscribe` that were accepted. Events after `cursor` follow.',
  }),
  job: z.strictObject({ type: z.literal('job'), cursor: cursor.optional(), job: jobView }).meta({
    description:
      'A job was applied or has ended. Without a cursor before the first `subscribe` of the socket: keep the one you have.',
  }),
  pong: z.strictObject({ type: z.literal('pong') }).meta({ description: 'The answer to a `ping`.' }),
  reset: z.strictObject({ type: z.literal('reset') }).meta({
    description: 'The cursor is too old: events were missed for good. Read again what you show; new events follow.',
  }),
  error: z
    .strictObject({
      type: z.literal('error'),
      ref: z.string().optional().meta({ description: 'What it is about: the topic, or the `ref` of your frame' }),
      code: z
        .string()
        .meta({ description: 'A stable upper-case word', examples: ['BAD_FRAME', 'TOPIC_UNKNOWN', 'JOB_NOT_FOUND'] }),
      message: z.string(),
    })
    .meta({ description: 'A frame, or a part of it, was refused. The socket stays open.' }),
};

type FrameOf<Frames extends Record<string, z.ZodType>> = { [T in keyof Frames]: z.output<Frames[T]> }[keyof Frames];
export type ClientFrame = FrameOf<typeof clientFrames>;
export type ServerFrame = FrameOf<typeof serverFrames>;

/** What is wrong with a client's frame. */
export interface BadFrame {
  code: 'BAD_FRAME' | 'FRAME_UNKNOWN';
  message: string;
  /** The frame's own `ref`, if it has one. */
  ref?: string;
}

export function parseClientFrame(text: string): { frame: ClientFrame } | { bad: BadFrame } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return { bad: { code: 'BAD_FRAME', message: 'the frame is not JSON' } };
  }
  if (typeof value !== 'object' || value === null)
    return { bad: { code: 'BAD_FRAME', message: 'the frame is not a JSON object' } };
  const given = value as { type?: unknown; ref?: unknown };
  const ref = typeof given.ref === 'string' ? { ref: given.ref.slice(0, 200) } : {};
  const type = typeof given.type === 'string' ? given.type : '';
  if (!isClientType(type)) {
    return { bad: { code: 'FRAME_UNKNOWN', message: `type must be one of ${Object.keys(clientFrames).join(', ')}`, ...ref } };
  }
  const parsed = clientFrames[type].safeParse(value);
  if (parsed.success) return { frame: parsed.data };
  const message = parsed.error.issues.map((issue) => `${issue.path.join('.') || type}: ${issue.message}`).join('; ');
  return { bad: { code: 'BAD_FRAME', message: message.slice(0, 500), ...ref } };
}

function isClientType(type: string): type is keyof typeof clientFrames {
  return Object.hasOwn(clientFrames, type);
}
