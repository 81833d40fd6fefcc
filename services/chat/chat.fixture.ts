import { randomUUID } from 'node:crypto';
import type { Rate, Secret } from '#platform/process/config.ts';
import { openPartitionedRedis } from '#platform/redis/partitioned.ts';
import { servers, uniqueName } from '#platform/test-servers.fixture.ts';
import { newId } from '#platform/validation/id.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { chatHandlers } from './grpc.ts';
import { openArchive } from './messages/archive.ts';

/** What a call brings, in time enough for any test. */
export const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 600_000) };

/** A job that works on one thing: its steps have its ID. */
export const job = (jobId: string = randomUUID()) => ({ jobId, of: (step: string) => `${jobId}/${step}` });

/** The chat service over keys and an archive of one test file's own. @param url of Redis; default: the one that all tests have */
export async function openChat(name: string, url: Secret = servers.redis(), rate: Rate = { burst: 100_000, everySeconds: 1 }) {
  const scratch = scratchDatabase(name);
  const prefix = `${uniqueName(name)}:`;
  const redis = await openPartitionedRedis({ ...scratch, service: 'chat', url, prefix });
  const db = await openArchive(scratch);
  const messages = { redis, db };
  const handlers = chatHandlers(messages, rate);

  /** Calls a step of a job. */
  const step = (name: string, jobId: string, request: object) =>
    (handlers as unknown as Record<string, (request: object, c: typeof call) => Promise<never>>)[name]?.(
      { operationId: `${jobId}/${name}`, ...request },
      call,
    );
  /** Has a job change a room, and commits that. */
  const carryOut = async (name: string, request: { roomId: string; [field: string]: unknown }) => {
    const jobId = randomUUID();
    await step(name, jobId, request);
    return (await step('commitRoom', jobId, { roomId: request.roomId })) as unknown as {
      written: { type: string; version: number }[];
    };
  };
  return {
    ...{ redis, db, messages, handlers, step, carryOut, prefix },
    /** A room of these, the first of whom owns it. */
    async room(...memberIds: string[]): Promise<string> {
      const roomId = newId();
      const [ownerId = newId(), ...others] = memberIds;
      await carryOut('beginCreateRoom', { roomId, ownerId, name: 'A room', memberIds: others });
      return roomId;
    },
    async post(roomId: string, memberId: string, text: string, given: { messageId?: string; replyToId?: string } = {}) {
      const { message } = await handlers.postMessage(
        { roomId, memberId, text, messageId: newId(), replyToId: undefined, ...given },
        call as never,
      );
      if (!message) throw new Error('no message');
      return message;
    },
    list: (roomId: string, memberId: string, given: { before?: number; after?: number; limit?: number } = {}) =>
      handlers.listMessages({ roomId, memberId, before: undefined, after: undefined, limit: 100, ...given }, call as never),
    /** The events that a room's partition has, in order. */
    async events(roomId: string, type?: string) {
      const entries = await redis.ask((client) => client.xrange(redis.of(roomId).key('outbox'), '-', '+'));
      const events = entries.map(([, fields]) => {
        const of = (name: string): string => fields[fields.indexOf(name) + 1] ?? '';
        const payload = JSON.parse(of('payload')) as { roomId?: string; message?: Record<string, unknown> };
        return { type: of('type'), id: of('aggregateid'), version: Number(of('version')), orderKey: of('orderkey'), payload };
      });
      return events.filter((each) => each.payload.roomId === roomId && (type === undefined || each.type === type));
    },
    async close() {
      await redis.ask(async (client) => {
        for (const key of await client.keys(`${prefix}*`)) await client.del(key);
      });
      await scratch.drop();
    },
  };
}
export type Chat = Awaited<ReturnType<typeof openChat>>;
