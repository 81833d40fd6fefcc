import { startLoop } from '#platform/concurrency/loop.ts';
import { LOOP_STOP_TIMEOUT_MS } from '#platform/concurrency/timeouts.ts';
import { pruneHourly } from '#platform/operations/retention.ts';
import type { App } from '#platform/process/program.ts';
import type { Clock } from '../clock.ts';
import type { Audit } from './audit.ts';

/** How soon what happened is in the chain, if nobody asks for it before. */
const EVERY_MS = 1_000;
const DAY_MS = 24 * 3_600_000;

/** Has the audit work until the process stops. That the chain was changed under it is for people to look at. */
export function keepAudit(
  audit: Audit,
  { log, lifecycle }: Pick<App<object>, 'log' | 'lifecycle'>,
  { forDays, clock }: { forDays: number; clock: Clock },
): void {
  const loop = startLoop(() => audit.work(), { name: 'the audit', log, everyMs: EVERY_MS, later: true });
  lifecycle.onHealthy('audit', () => loop.check());
  lifecycle.onAttention('audit chain', () => audit.chain.requireWhole());
  lifecycle.onStop('audit', 'work', async () => {
    await loop.stop(LOOP_STOP_TIMEOUT_MS);
    // What is counted until now would be forgotten.
    await audit.refusals.flush().catch((err: unknown) => log.warn({ err }, 'refusals that were counted could not be written'));
  });
  const cut = () => audit.chain.cut(new Date(clock.now() - forDays * DAY_MS));
  pruneHourly(cut, { database: 'audit events', log, lifecycle });
}
