import { type Database, openDatabase, sql } from '#platform/postgres/database.ts';
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import type { Which } from '#platform/state.ts';
import type { Message } from '../domain.ts';
import { fromText } from './wire.ts';

/** Opens the archive: messages as Redis had them, also when it keeps the newest of a room only. @param database default `musubi_chat` */
export function openArchive(o: { url: Secret; database?: string; log: Logger; lifecycle: Lifecycle }): Promise<Database> {
  const migrations = new URL('../migrations/', import.meta.url);
  return openDatabase({ database: 'musubi_chat', ...o, migrations, outbox: false, beside: true });
}

/** Keeps messages as they are; one that is known as newer stays. @param texts their JSON */
export async function archiveMessages(db: Database, texts: readonly string[]): Promise<void> {
  const messages = texts.map((text) => ({ ...fromText(text), text })).toSorted((a, b) => (a.messageId < b.messageId ? -1 : 1));
  const members = messages.map(({ memberId, reactions }) => [
    ...new Set([memberId, ...reactions.flatMap(({ memberIds }) => memberIds)].filter(Boolean)),
  ]);
  await db.query(sql`
    insert into messages (message_id, room_id, sequence, version, member_ids, body)
    select message_id, room_id, sequence, version, array(select jsonb_array_elements_text(member_ids)), body
    from unnest(${messages.map(({ messageId }) => messageId)}::text[], ${messages.map(({ roomId }) => roomId)}::text[],
      ${messages.map(({ sequence }) => sequence)}::bigint[], ${messages.map(({ version }) => version)}::bigint[],
      ${members.map((ids) => JSON.stringify(ids))}::jsonb[], ${messages.map(({ text }) => text)}::text[])
      as given (message_id, room_id, sequence, version, member_ids, body)
    on conflict (message_id) do update set sequence = excluded.sequence, version = excluded.version,
      member_ids = excluded.member_ids, body = excluded.body
    where messages.version < excluded.version`);
}

/** A message of a room, as the archive has it: its JSON. */
export async function archivedMessage(db: Database, roomId: string, messageId: string): Promise<string | undefined> {
  const [found] = await db.query<{ body: string }>(
    sql`select body from messages where message_id = ${messageId} and room_id = ${roomId}`,
  );
  return found?.body;
}

/** Messages in the order of their IDs. */
export async function readArchive(db: Database, which: Which): Promise<Message[]> {
  const found = await db.query<{ body: string }>(
    'ids' in which
      ? sql`select body from messages where message_id = any(${[...which.ids]}::text[]) order by message_id`
      : sql`select body from messages where message_id > ${which.after} order by message_id limit ${which.limit}`,
  );
  return found.map(({ body }) => fromText(body));
}

/** Messages of a room, the first of those that are left. */
export async function archiveOfRoom(
  db: Database,
  roomId: string,
  limit: number,
): Promise<Pick<Message, 'messageId' | 'version'>[]> {
  return await db.query(sql`
    select message_id as "messageId", version from messages where room_id = ${roomId} order by sequence limit ${limit}`);
}

/** Messages that somebody has said, or put an emoji on. */
export async function archiveOfMember(db: Database, memberId: string, limit: number): Promise<Message[]> {
  const found = await db.query<{ body: string }>(sql`
    select body from messages where member_ids @> array[${memberId}]::text[] limit ${limit}`);
  return found.map(({ body }) => fromText(body));
}

export const forgetArchived = async (db: Database, messageIds: readonly string[]): Promise<void> =>
  void (await db.query(sql`delete from messages where message_id = any(${[...messageIds]}::text[])`));
