import { EMIT_LUA } from '#platform/outbox/redis-outbox.ts';
import { readScript } from '#platform/redis/script.ts';

// What is done to messages in one go, in Redis: all of it in the partition of the room.

const script = (name: string, ...before: string[]) => readScript(new URL(`../lua/${name}.lua`, import.meta.url), ...before);

export const POST = script('post', EMIT_LUA);
export const REWRITE = script('rewrite', EMIT_LUA);
export const RECALL = script('recall');
export const ARCHIVED = script('archived');
export const LIST = script('list');
export const MARK = script('mark');
export const FIND = script('find');
export const SPEND = script('spend');
