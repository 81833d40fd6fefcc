import { createRequire } from 'node:module';
import { Kafka, type LogEntry, logLevel } from 'kafkajs';
import { CONNECT_TIMEOUT_MS } from '../concurrency/timeouts.ts';
import type { Logger } from '../process/log.ts';

/** Where the brokers are, and who asks. */
export interface KafkaOptions {
  /** `host:port` of some brokers; the others are found. */
  brokers: string[];
  /** Shown by the brokers in their logs and quotas. */
  clientId: string;
  log: Logger;
  /** How long one answer may take. Default 10,000. */
  requestTimeoutMs?: number;
  /** How often a request is tried again. Default 5. */
  retries?: number;
}

/** A client of kafkajs, which logs to `log` at level debug: what it calls errors it mostly heals by itself. */
export function kafkaClient({ brokers, clientId, log, requestTimeoutMs = 10_000, retries = 5 }: KafkaOptions): Kafka {
  stopIdlePolling();
  return new Kafka({
    clientId,
    brokers,
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: requestTimeoutMs,
    // When these few tries were not enough, the user of the client opens a new one.
    retry: { initialRetryTime: 50, factor: 0.2, multiplier: 2, maxRetryTime: 1_000, retries },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => write(log, entry),
  });
}

/** Every reconnection attempt and rebalance would be a line: whoever uses the client logs, once, what matters of it. */
function write(log: Logger, { namespace, log: { message, error, stack, groupId, broker } }: LogEntry): void {
  log.debug({ kafka: namespace, reason: error, stack, groupId, broker }, message);
}

/** The part of kafkajs that {@link stopIdlePolling} changes. */
interface RequestQueue {
  pending: unknown[];
  scheduleCheckPendingRequests(): void;
}

let polls = true;

/**
 * In kafkajs 2.2 each connection looks every millisecond for requests that wait, also when none does
 * (https://github.com/tulios/kafkajs/issues/1704): 2 % of a core for each idle process, and Node 24 warns of the negative
 * timeouts that it comes from. A request that has to wait asks for the check itself, so without one there is none to make.
 */
function stopIdlePolling(): void {
  if (!polls) return;
  polls = false;
  const queue = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as { prototype: RequestQueue };
  const check = queue.prototype.scheduleCheckPendingRequests;
  queue.prototype.scheduleCheckPendingRequests = function (this: RequestQueue): void {
    if (this.pending.length > 0) check.call(this);
  };
}
