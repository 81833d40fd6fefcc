/** The stream that a service's events are added to, in the script that changes the state; services/relay publishes it. */
export const outboxStream = (service: string): string => `outbox:${service}`;

/**
 * Lua: `emit(stream, event_id, traceparent, time_ms, aggregate_type, aggregate_id, version, type, payload_json)` adds an
 * event to an outbox stream, for the scripts of a service.
 */
export const EMIT_LUA = `
local function emit(stream, id, traceparent, time, aggregate_type, aggregate_id, version, type, payload)
  redis.call('XADD', stream, '*', 'id', id, 'aggregatetype', aggregate_type, 'aggregateid', aggregate_id,
    'version', string.format('%d', version), 'type', type, 'payload', payload, 'traceparent', traceparent, 'time', time)
end
`;
