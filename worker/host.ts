import type { Lifecycle } from '#platform/lifecycle.ts';
import type { Logger } from '#platform/log.ts';
import type { Tracing } from '#platform/telemetry.ts';
import type { Domain } from '../temporal.config.ts';
import type { Commands } from './client.ts';
import type { TemporalConfig } from './config.ts';

/** What a process needs to take part in Temporal; an `App` whose shape includes `temporalShape` is one. */
export interface HostOptions {
  config: TemporalConfig;
  log: Logger;
  lifecycle: Lifecycle;
  tracing: Tracing;
}

/**
 * Connects this process to Temporal and polls the given domains' task queues in it. Returns at once:
 * while Temporal is away it keeps trying, and readiness says so.
 *
 * The commands returned use the workers' own connection, so that Temporal hands the first
 * workflow task of a command straight to this process (eager start).
 */
export declare function hostWorkers(app: HostOptions, domains: readonly Domain[]): Commands;
