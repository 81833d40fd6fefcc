import { Kafka, type LogEntry, logLevel } from 'kafkajs';
import type { Logger } from '../log.ts';

/** Where the brokers are, and who asks. */
export interface KafkaOptions {
  /** `host:port` of some brokers; the others are found. */
  brokers: string[];
  /** Shown by the brokers in their logs and quotas. */
  clientId: string;
  log: Logger;
}

/** A client of kafkajs, which logs to `log` at level debug: what it calls errors it mostly heals by itself. */
export function kafkaClient({ brokers, clientId, log }: KafkaOptions): Kafka {
  silenceNegativeTimeouts();
  return new Kafka({
    clientId,
    brokers,
    connectionTimeout: 2_000,
    requestTimeout: 10_000,
    // Who uses the client starts anew with a fresh one when these few tries were not enough.
    retry: { initialRetryTime: 50, factor: 0.2, multiplier: 2, maxRetryTime: 1_000, retries: 5 },
    logLevel: logLevel.WARN,
    logCreator: () => (entry) => write(log, entry),
  });
}

/** Every reconnection attempt and rebalance would be a line: whoever uses the client logs, once, what matters of it. */
function write(log: Logger, { namespace, log: { message, error, stack, groupId, broker } }: LogEntry): void {
  log.debug({ kafka: namespace, reason: error, stack, groupId, broker }, message);
}

let silenced = false;

/**
 * kafkajs 2.2 computes the delay of its request queue's timer as a time that may be past; Node 24 warns of each.
 * The timer then fires at once, which is what is meant. Only these warnings are dropped.
 */
function silenceNegativeTimeouts(): void {
  if (silenced) return;
  silenced = true;
  const emitWarning = process.emitWarning.bind(process) as (...args: unknown[]) => void;
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (rest[0] === 'TimeoutNegativeWarning' && new Error().stack?.includes('kafkajs')) return;
    emitWarning(warning, ...rest);
  };
}
