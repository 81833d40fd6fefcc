import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { listen } from '#platform/redis/client.ts';
import { finishedChannel } from './store.ts';

/** Tells those who await a job of this process when it may be final: whichever instance finished it. */
export interface Finished {
  /**
   * Calls `wake` whenever the job may have become final; also when that may have been missed
   * (the connection was lost for a while) and when the process stops. The caller looks for itself.
   *
   * @returns ends it
   */
  watch(jobId: string, wake: () => void): () => void;
  /** Whether anybody awaits the job here. */
  watched(jobId: string): boolean;
  /** True once the process stops: nobody should wait any longer. */
  readonly stopping: boolean;
}

/** Listens on one connection of its own, however many wait. */
export async function listenForFinished({
  url,
  prefix = '',
  log,
  lifecycle,
}: {
  url: Secret;
  prefix?: string;
  log: Logger;
  lifecycle: Lifecycle;
}): Promise<Finished> {
  const watchers = new Map<string, Set<() => void>>();
  const wakeAll = (): void => {
    for (const wakes of [...watchers.values()]) for (const wake of [...wakes]) wake();
  };
  let stopping = false;

  const redis = await listen({
    url,
    log,
    lifecycle,
    channels: [finishedChannel(prefix)],
    heard: (_channel, jobId) => {
      for (const wake of [...(watchers.get(jobId) ?? [])]) wake();
    },
    since: wakeAll,
  });
  lifecycle.onStop('awaited jobs', 'intake', () => {
    stopping = true;
    wakeAll();
  });
  lifecycle.onStop('job wake-ups', 'stores', () => redis.disconnect());

  return {
    watch(jobId, wake) {
      const wakes = watchers.get(jobId) ?? new Set();
      watchers.set(jobId, wakes.add(wake));
      return () => {
        wakes.delete(wake);
        if (wakes.size === 0) watchers.delete(jobId);
      };
    },
    watched: (jobId) => watchers.has(jobId),
    get stopping() {
      return stopping;
    },
  };
}
