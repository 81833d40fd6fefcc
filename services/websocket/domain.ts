import { sentence } from '#platform/errors.ts';
import { type ProblemCode, problemKind } from '#platform/problems.ts';

/** Why the server closes a socket (RFC 6455, and 44xx of our own after the HTTP status they resemble). */
export const CLOSE = {
  goingAway: 1001,
  unsupported: 1003,
  unfinished: 1008,
  defect: 1011,
  tryAgainLater: 1013,
  unauthenticated: 4401,
  revoked: 4403,
  tooSlow: 4408,
  tooMany: 4429,
} as const;

/** How a socket is closed. */
export interface Closing {
  code: (typeof CLOSE)[keyof typeof CLOSE];
  /** `CODE: Sentence.` with a code of the catalogue, in 123 bytes at most (RFC 6455, section 5.5). */
  reason: string;
}

/** @param message default: what the catalogue says that the problem means */
export function closing(why: keyof typeof CLOSE, problem: ProblemCode, message = problemKind(problem).meaning): Closing {
  // Half a character at the end becomes one of three bytes.
  const reason = Buffer.from(`${problem}: ${sentence(message)}`)
    .subarray(0, 120)
    .toString();
  return { code: CLOSE[why], reason };
}

/** The topic of a member's own events, which needs no subscription. */
export const OWN_TOPIC = 'member:me';

/** What a client can subscribe to. `member` is the member itself: what concerns it comes anyway. */
export type Topic =
  | { kind: 'member' }
  | { kind: 'job'; jobId: string }
  | { kind: 'group'; groupId: string }
  | { kind: 'room'; roomId: string };

/** The topic of that name; undefined when there is none. */
export function parseTopic(name: string): Topic | undefined {
  if (name === OWN_TOPIC) return { kind: 'member' };
  const [, kind, id = ''] = /^(job|group|room):([\w-]{1,64})$/.exec(name) ?? [];
  if (kind === 'job') return { kind, jobId: id };
  if (kind === 'group') return { kind, groupId: id };
  return kind === 'room' ? { kind, roomId: id } : undefined;
}

/** Whether that is the name of a topic in which the same is said to all who follow it. */
export const isShared = (name: string): boolean => ['group', 'room'].includes(parseTopic(name)?.kind ?? '');

export const jobTopic = (jobId: string): string => `job:${jobId}`;
export const groupTopic = (groupId: string): string => `group:${groupId}`;
export const roomTopic = (roomId: string): string => `room:${roomId}`;

/** A place in a stream of events, a member's or a topic's: `milliseconds-number`. */
export type Cursor = string;
export const CURSOR_PATTERN = /^\d{1,15}-\d{1,15}$/;

/** The later of two. */
export const laterCursor = (a: Cursor, b: Cursor): Cursor => (compareCursors(a, b) < 0 ? b : a);

/** Negative when `a` is before `b`, positive when it is after, 0 when they are the same. */
export function compareCursors(a: Cursor, b: Cursor): number {
  const [aTime = 0, aNumber = 0] = a.split('-').map(Number);
  const [bTime = 0, bNumber = 0] = b.split('-').map(Number);
  return aTime - bTime || aNumber - bNumber;
}

/** How long and how many events are kept for those who come back. */
export interface Kept {
  ms: number;
  /** Per member, and per topic. */
  events: number;
}

/** What a process and its sockets are held to. */
export interface Limits {
  /** Sockets of one member, over all instances. */
  socketsPerMember: number;
  /** Frames that a client may send in a second; while it was not read, that of `stallMs` on top at most. */
  framesPerSecond: number;
  topicsPerSocket: number;
  /**
   * Topics that a member may ask one process for in a second, on all its sockets, granted or not; after a pause as many
   * at once as a socket may have. Who asks faster waits. Each costs as much that is reset, or written down with a new token,
   * and every hundred events that are read for a cursor.
   */
  topicsPerSecond: number;
  /** What a client types that is under way at once, one after the other. Who types faster is not read meanwhile. */
  typedAtOnce: number;
  /** Sockets of one process whose clients have not authenticated. Of too many the oldest gives way. */
  unauthenticatedSockets: number;
  /** Bytes of a client's first message, which says who it is. */
  unauthenticatedBytes: number;
  /** Bytes that may wait for a socket's client before sending pauses. */
  bufferedBytes: number;
  /** Milliseconds that sending may pause for one client before it is too slow. */
  stallMs: number;
  /** Milliseconds that a client has to answer when its socket is closed, before it is cut off. */
  goodbyeMs: number;
  /** The same of a client that nobody knows. */
  unauthenticatedGoodbyeMs: number;
  /** Milliseconds in which a client must say who it is, however much it sends. */
  authMs: number;
  /** Milliseconds in which the rest of a message must come that has begun; not counted while the client is not read. */
  messageMs: number;
  /** Milliseconds for which a new socket's events wait for its first `subscribe`, which may bring a cursor. */
  settleMs: number;
  /** Milliseconds between signs of life that are asked of a client; then its session is checked again, too. */
  pingMs: number;
}

export const LIMITS: Limits = {
  socketsPerMember: 20,
  framesPerSecond: 50,
  topicsPerSocket: 100,
  topicsPerSecond: 20,
  typedAtOnce: 16,
  unauthenticatedSockets: 1_000,
  unauthenticatedBytes: 32_768,
  bufferedBytes: 262_144,
  stallMs: 10_000,
  goodbyeMs: 5_000,
  unauthenticatedGoodbyeMs: 1_000,
  authMs: 5_000,
  messageMs: 10_000,
  settleMs: 300,
  pingMs: 30_000,
};

/** How long it is waited for the sockets of which Auth is asked again, ms: longer than a client may take to say goodbye. */
export const VOUCH_WITHIN_MS = 1_500;
/**
 * How long after the question an answer of Auth or of the store lets events be sent, ms. It is shorter than {@link VOUCH_WITHIN_MS}: a
 * process that stood still with an answer of before sends nothing by it when others no longer wait for it.
 */
export const ANSWER_HOLDS_MS = 1_000;

/** A closed socket may stay registered for so long after its token expired, ms. */
export const REGISTERED_SLACK_MS = 60_000;

/** The largest message that a client may send, in bytes. */
export const MAX_FRAME_BYTES = 65_536;
/** How many values it may have, at any depth: enough for a cursor of every topic. What it costs to handle grows with them. */
export const MAX_FRAME_VALUES = 256;
/** How many topics it may name. */
export const MAX_FRAME_TOPICS = 100;
/** Into how many frames of the protocol it may be divided; and each, while it is not whole, into how many pieces by the network. */
export const MAX_FRAGMENTS = 64;
export const MAX_PIECES = 256;
export const SUBPROTOCOL = 'musubi.v1';
export const SOCKET_PATH = '/v1/events';
