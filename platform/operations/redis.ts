import { createHash, randomUUID } from 'node:crypto';
import { failedPrecondition } from '../errors.ts';
import type { CodeOf } from '../problems.ts';
import type { Redis } from '../redis.ts';
import { guarded } from '../redis.ts';
import { currentTraceparent, SpanKind, withSpan } from '../telemetry.ts';
import { checkOperationId, countRepeat, type Operation, undoExpiredError, undoneError } from './operation.ts';
import { OPERATIONS_KEPT_SECONDS, UNDO_KEPT_SECONDS } from './retention.ts';

/** The stream that a service's events are added to, in the script that changes the state; services/relay publishes it. */
export const outboxStream = (service: string): string => `outbox:${service}`;

/**
 * Lua: `emit(stream, event_id, traceparent, time_ms, aggregate_type, aggregate_id, version, type, payload_json)` adds an
 * event to an outbox stream. For scripts of a service's own; {@link RedisOperations} has it in a shorter form.
 */
export const EMIT_LUA = `
local function emit(stream, id, traceparent, time, aggregate_type, aggregate_id, version, type, payload)
  redis.call('XADD', stream, '*', 'id', id, 'aggregatetype', aggregate_type, 'aggregateid', aggregate_id,
    'version', string.format('%d', version), 'type', type, 'payload', payload, 'traceparent', traceparent, 'time', time)
end
`;

/**
 * The two halves of a command, as bodies of Lua functions. Both see
 * - `keys`, `args`: what the call was given (the undo gets the same keys, and `undo`: the text that the forward half kept);
 * - `emit(aggregate_type, aggregate_id, version, type, payload_json)`: adds an event (at most 8 in a call);
 * - `refuse(code, message)`: for `return refuse(…)`, before anything is written: a business refusal.
 *
 * The forward half returns `result_json[, undo_text]`; the undo returns nothing.
 */
export interface RedisCommand {
  forward: string;
  undo: string;
}

const EVENTS_AT_MOST = 8;

/** What a script answers: how it went, then the result, or code and message. */
type Answer =
  | ['done' | 'repeat', string]
  | ['undone' | 'tombstone' | 'nothing']
  | ['expired', string]
  | ['refused', string, string];

/**
 * Steps of sagas on Redis: the operation's record, the state and the events change in one script, so all or nothing.
 * A repeat answers what the first time answered; an undo leaves a tombstone that refuses a late arrival.
 * Scripts touch keys named in the record: one server (or a primary with replicas), not a cluster.
 */
export class RedisOperations {
  readonly #redis: Redis;
  readonly #service: string;
  readonly #forward = new Map<string, Script>();
  readonly #undo: Script;

  constructor(redis: Redis, service: string, commands: Record<string, RedisCommand>) {
    this.#redis = redis;
    this.#service = service;
    for (const [name, { forward }] of Object.entries(commands)) this.#forward.set(name, new Script(forwardScript(name, forward)));
    this.#undo = new Script(undoScript(commands));
  }

  /**
   * Does a step once.
   *
   * @throws INVALID_ARGUMENT without an operation ID; FAILED_PRECONDITION `OPERATION_UNDONE` after its undo, or with
   *   the code that the script refused with; UNAVAILABLE when the server is away
   */
  async run<R>({ operationId, command }: Operation, keys: string[], args: string[]): Promise<R> {
    checkOperationId(operationId);
    const script = this.#forward.get(command);
    if (!script) throw new Error(`there is no command ${command}`);
    const answer = await this.#evaluate(script, operationId, keys, args);
    switch (answer[0]) {
      case 'repeat':
        countRepeat(command, 'repeat');
        return JSON.parse(answer[1]) as R;
      case 'done':
        return JSON.parse(answer[1]) as R;
      case 'refused':
        throw failedPrecondition(answer[1] as CodeOf<'FAILED_PRECONDITION'>, answer[2]);
      default:
        throw undoneError(command);
    }
  }

  /**
   * Undoes an operation, whatever became of it: done, never happened, or undone before.
   *
   * @throws FAILED_PRECONDITION `UNDO_EXPIRED` when what the undo needs is no longer kept: nothing was done
   */
  async undo(operationId: string): Promise<void> {
    checkOperationId(operationId);
    const answer = await this.#evaluate(this.#undo, operationId, [], []);
    if (answer[0] === 'tombstone') countRepeat('', 'tombstone');
    if (answer[0] === 'expired') throw undoExpiredError(answer[1]);
  }

  async #evaluate(script: Script, operationId: string, keys: string[], args: string[]): Promise<Answer> {
    const record = `operation:${this.#service}:${operationId}`;
    // A key of its own, for it lives shorter.
    const undo = `operation-undo:${this.#service}:${operationId}`;
    // Scripts must not draw random IDs: each call brings more than it can use.
    const ids = Array.from({ length: EVENTS_AT_MOST }, () => randomUUID());
    const kept = [String(OPERATIONS_KEPT_SECONDS), String(UNDO_KEPT_SECONDS)];
    const fixed = [...kept, String(Date.now()), currentTraceparent(), ...ids];
    const attributes = { 'db.system.name': 'redis' };
    return withSpan('redis operation', { kind: SpanKind.CLIENT, attributes }, () =>
      guarded(async () => {
        const all = [record, undo, outboxStream(this.#service), ...keys];
        return (await script.run(this.#redis, all, [...fixed, ...args])) as Answer;
      }),
    );
  }
}

/** A script that is sent once and then called by its hash. */
class Script {
  readonly #text: string;
  readonly #sha1: string;

  constructor(text: string) {
    this.#text = text;
    this.#sha1 = createHash('sha1').update(text).digest('hex');
  }

  async run(redis: Redis, keys: string[], args: string[]): Promise<unknown> {
    try {
      return await redis.evalsha(this.#sha1, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return redis.eval(this.#text, keys.length, ...keys, ...args);
    }
  }
}

/** What both kinds of script begin with. `refused` is a marker that no result of a command can be mistaken for. */
const PRELUDE = `
local record, undo_data, stream = KEYS[1], KEYS[2], KEYS[3]
local ttl, undo_ttl, time, traceparent = tonumber(ARGV[1]), tonumber(ARGV[2]), ARGV[3], ARGV[4]
local keys, args, refused, used = {}, {}, {}, 0
for i = 4, #KEYS do keys[#keys + 1] = KEYS[i] end
for i = ${5 + EVENTS_AT_MOST}, #ARGV do args[#args + 1] = ARGV[i] end
${EMIT_LUA}
local add = emit
local function emit(aggregate_type, aggregate_id, version, type, payload)
  used = used + 1
  add(stream, ARGV[4 + used], traceparent, time, aggregate_type, aggregate_id, version, type, payload)
end
local function refuse(code, message) refused.code = code; refused.message = message; return refused end
`;

function forwardScript(name: string, forward: string): string {
  return `${PRELUDE}
local known = redis.call('HMGET', record, 'state', 'result')
if known[1] == 'done' then return {'repeat', known[2]} end
if known[1] then return {'undone'} end
local function forward()
${forward}
end
local result, undo = forward()
if result == refused then return {'refused', refused.code, refused.message} end
result = result or 'null'
redis.call('HSET', record, 'state', 'done', 'command', '${name}', 'result', result, 'keys', cjson.encode(keys))
redis.call('EXPIRE', record, ttl)
redis.call('SET', undo_data, undo or '', 'EX', undo_ttl)
return {'done', result}`;
}

function undoScript(commands: Record<string, RedisCommand>): string {
  const undos = Object.entries(commands).map(([name, { undo }]) => `undos['${name}'] = function(keys, undo)\n${undo}\nend\n`);
  return `${PRELUDE}
local undos = {}
${undos.join('')}
local known = redis.call('HMGET', record, 'state', 'command', 'keys')
if known[1] == 'undone' then return {'nothing'} end
if known[1] then
  local undo = undos[known[2]]
  if not undo then return redis.error_reply('there is no undo for the command ' .. known[2]) end
  local kept = redis.call('GET', undo_data)
  if not kept then return {'expired', known[2]} end
  undo(cjson.decode(known[3]), kept)
end
redis.call('DEL', record, undo_data)
redis.call('HSET', record, 'state', 'undone')
redis.call('EXPIRE', record, ttl)
return {known[1] and 'undone' or 'tombstone'}`;
}
