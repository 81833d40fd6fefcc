import { unavailable } from '#platform/errors.ts';
import type { Gap, Message } from '#proto/musubi/chat/v1/chat.ts';
import type { RequestGateway } from '../../gateway.ts';

/*
 * What was said in a room. Chat itself has the newest part, and queries have all, but the newest a moment later: so a page may be made of both. Chat is
 * asked first. It says who may read it, up to where only queries have it (`archived`), and which numbers no message has.
 */

/** Which room is read, by whom, and how many messages. */
export interface Asked {
  roomId: string;
  memberId: string;
  limit: number;
}

export interface History {
  messages: Message[];
  /** The numbers between the ends of the page that no message has, in the order of the messages. */
  gaps: Gap[];
  /** The last number of the page, where the next one goes on; undefined: there is none. */
  next: number | undefined;
}

/**
 * The messages before a number, or from the last one on, the newest first.
 *
 * @throws ROOM_NOT_FOUND; SERVICE_UNAVAILABLE while queries do not know yet what only they have
 */
export async function olderMessages(
  { chat, query }: RequestGateway,
  { before, ...asked }: Asked & { before?: number | undefined },
): Promise<History> {
  const { roomId, limit } = asked;
  const { messages, gaps, last, archived } = await chat.listMessages({ ...asked, before });
  const high = before === undefined ? last : Math.min(last, before - 1);
  const top = Math.min(high, archived);
  if (messages.length < limit && top > 0) {
    const older = await query.listRoomMessages({ roomId, before: top + 1, limit: limit - messages.length });
    await requireKnown(query, roomId, newestUpTo(top, gaps), older.messages[0]?.sequence);
    messages.push(...older.messages);
  }
  const lowest = messages.at(-1)?.sequence ?? 1;
  const next = messages.length === limit && lowest > 1 ? lowest : undefined;
  return { messages, gaps: missing(gaps, { first: next ?? 1, last: high }, messages).toReversed(), next };
}

/**
 * The messages after a number, the oldest first.
 *
 * @throws as above
 */
export async function newerMessages(
  { chat, query }: RequestGateway,
  { after, ...asked }: Asked & { after: number },
): Promise<History> {
  const { roomId, limit } = asked;
  const { messages: recent, gaps, last, archived } = await chat.listMessages({ ...asked, after });
  const older: Message[] = [];
  if (after < archived) {
    const { messages } = await query.listRoomMessages({ roomId, after, limit });
    if (messages.length < limit) await requireKnown(query, roomId, newestUpTo(archived, gaps), messages.at(-1)?.sequence);
    // What Chat has itself, it knows better.
    older.push(...messages.filter(({ sequence }) => sequence <= archived));
  }
  const messages = [...older, ...recent].slice(0, limit);
  const highest = messages.at(-1)?.sequence ?? last;
  const next = messages.length === limit && highest < last ? highest : undefined;
  return { messages, gaps: missing(gaps, { first: after + 1, last: next ?? last }, messages), next };
}

/** The greatest number up to this one that a message has; 0: none. */
const newestUpTo = (top: number, gaps: readonly Gap[]): number =>
  gaps
    .toSorted((a, b) => b.last - a.last)
    .reduce((newest, { first, last }) => (first <= newest && newest <= last ? first - 1 : newest), top);

/**
 * Queries are told of the messages of a room in their order. So they know all up to one that they know; until they know the newest that is asked of
 * them, it would look as if it had never been said.
 *
 * @param newest the greatest number that they are to know
 * @param known one that they know
 * @throws SERVICE_UNAVAILABLE
 */
async function requireKnown(query: RequestGateway['query'], roomId: string, newest: number, known = 0): Promise<void> {
  if (known >= newest) return;
  const { messages } = await query.listRoomMessages({ roomId, after: newest - 1, limit: 1 });
  if (messages.length === 0)
    throw unavailable('SERVICE_UNAVAILABLE', 'what was said there before can not be read yet', { retryAfterSeconds: 1 });
}

/** The numbers of a range that no message has, in their order: of the room's gaps what is in it, around what queries have of it all the same. */
function missing(gaps: readonly Gap[], range: Gap, messages: readonly Message[]): Gap[] {
  const found = messages.map(({ sequence }) => sequence).toSorted((a, b) => a - b);
  return gaps
    .toSorted((a, b) => a.first - b.first)
    .flatMap((gap) => {
      const [first, last] = [Math.max(gap.first, range.first), Math.min(gap.last, range.last)];
      const ends = [first - 1, ...found.filter((one) => one >= first && one <= last), last + 1];
      return ends.slice(1).map((end, at) => ({ first: (ends[at] ?? 0) + 1, last: end - 1 }));
    })
    .filter(({ first, last }) => first <= last);
}
