import { partitionsOf } from '../redis/partitions.ts';

/** The stream that a service's events are added to, in the script that changes the state; services/relay publishes it. */
export const outboxStream = (service: string): string => `outbox:${service}`;

/** The streams of a service whose keys are in partitions, one in each, written as one: `{chat:*}:outbox`. */
export const outboxStreams = (service: string): string => `{${service}:*}:outbox`;

/** The streams that are meant: one, or one in each partition. */
export function streamsOf(place: string): readonly string[] {
  const [, prefix, service, name] = /^(.*)\{(.+):\*\}:(.+)$/.exec(place) ?? [];
  if (service === undefined || name === undefined) return [place];
  return partitionsOf(service, prefix).map((partition) => partition.key(name));
}

/**
 * Lua: `emit(stream, event_id, traceparent, time_ms, aggregate_type, aggregate_id, version, type, payload_json, order_key)` adds an
 * event to an outbox stream, for the scripts of a service. The last is left out where events keep their order per aggregate only.
 */
export const EMIT_LUA = `
local function emit(stream, id, traceparent, time, aggregate_type, aggregate_id, version, type, payload, order_key)
  redis.call('XADD', stream, '*', 'id', id, 'aggregatetype', aggregate_type, 'aggregateid', aggregate_id,
    'version', string.format('%d', version), 'type', type, 'payload', payload, 'orderkey', order_key or '',
    'traceparent', traceparent, 'time', time)
end
`;
