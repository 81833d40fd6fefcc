import { Message as MessageMessage } from '#proto/musubi/chat/v1/chat.ts';
import type { Gap, Message } from '../domain.ts';

/** A message as Redis, the archive and events have it: JSON of musubi.chat.v1.Message. */
export const toText = (message: Message): string => JSON.stringify(MessageMessage.toJSON(message));

export function fromText(text: string): Message {
  const { createdAt, ...message } = MessageMessage.fromJSON(JSON.parse(text) as object);
  if (!createdAt) throw new Error('it is not a message');
  return { ...message, createdAt };
}

/** A message as JSON without one of its numbers, which a script puts in front. */
export function withoutNumber(message: Message, number: 'sequence' | 'version'): string {
  const { [number]: _, ...others } = MessageMessage.toJSON(message) as Record<string, unknown>;
  return JSON.stringify(others);
}

/** `8-10007 `, each with a space behind it. */
export const gapsOf = (text: string): Gap[] =>
  text
    .split(' ')
    .filter(Boolean)
    .map((each) => {
      const [first = 0, last = 0] = each.split('-').map(Number);
      return { first, last };
    });
