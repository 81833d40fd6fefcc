import { type Client, WithStartWorkflowOperation, WorkflowNotFoundError } from '@temporalio/client';
import { MusubiError } from '#platform/errors.ts';
import type { Logger } from '#platform/process/log.ts';
import type { SagaPeers } from '../activities/index.ts';
import type { Term, Terms } from '../activities/terms.ts';
import { type Domain, queueOfCommand, SCHEDULES, SEARCH_ATTRIBUTES, SET_TERM } from '../temporal.config.ts';
import type { term } from '../workflows/term.ts';
import { dueInvitations, duePositionTerms } from './due-terms.ts';

/** Terms as Temporal keeps them. @param connected the client, or throws while there is none */
export const createTerms = (connected: () => Client, own: readonly Domain[] = []): Terms => ({
  async setTerms({ terms }, { timeoutMs }) {
    const client = connected();
    await client.withDeadline(Date.now() + timeoutMs, () => Promise.all(terms.map((one) => setTerm(client, one, own))));
    return {};
  },
});

/** The ID of a term's workflow. */
export const termId = ({ about }: Pick<Term, 'about'>): string => `term/${about}`;

async function setTerm({ workflow }: Client, one: Term, own: readonly Domain[]): Promise<void> {
  const workflowId = termId(one);
  if (one.until === null) {
    try {
      await workflow.getHandle(workflowId).executeUpdate<void, [Term]>(SET_TERM, { args: [one] });
    } catch (error) {
      // None runs.
      if (!(error instanceof WorkflowNotFoundError)) throw error;
    }
    return;
  }
  const { command, aggregateId, memberId, summary } = one;
  const startWorkflowOperation = new WithStartWorkflowOperation<typeof term>('term', {
    workflowId,
    taskQueue: queueOfCommand(command, own),
    args: [one],
    workflowIdConflictPolicy: 'USE_EXISTING',
    typedSearchAttributes: [
      { key: SEARCH_ATTRIBUTES.command, value: command },
      { key: SEARCH_ATTRIBUTES.member, value: memberId },
      { key: SEARCH_ATTRIBUTES.aggregate, value: aggregateId },
    ],
    staticSummary: summary,
    staticDetails: `At its end \`${command}\` on \`${aggregateId}\` is begun by the system. It concerns member \`${memberId}\`.`,
  });
  await workflow.executeUpdateWithStart<typeof term, void, [Term]>(SET_TERM, { args: [one], startWorkflowOperation });
}

/**
 * Tells of what has ended, or ends within so long, page by page, with the terms that it has: of each service that has terms. Its saga that ends
 * one looks whether that is still so.
 */
type DueTerms = (peers: SagaPeers, withinMs: number) => AsyncIterable<Term[]>;

const SOURCES: Readonly<Record<string, DueTerms>> = { group: dueInvitations, position: duePositionTerms };

/** What a run of the Schedule has come to. */
export interface DueReport {
  /** How many terms were set, of those that run among them. */
  due: number;
  /** The services that did not answer. */
  away: string[];
}

export const termsInWords = ({ due, away }: DueReport): string =>
  [
    `${due} end soon, or have ended, and have their timers.`,
    ...(away.length > 0 ? [`**Away: ${away.join(', ')}**; the next run asks again.`] : []),
  ].join(' ');

/** What ends before the run after the next has its timer when this is through. */
const WITHIN_MS = 2 * SCHEDULES['upkeep.terms'].everyMs;
const SET_TIMEOUT_MS = 20_000;

/**
 * The activity of the Schedule: sets the terms of all that has ended, or ends soon. A timer that runs changes nothing by that; one that was lost,
 * or never set, is there in time. To look at these only costs the same however many there are. What can not be set holds up nothing behind it.
 *
 * @throws once all the others are set, where some could not be
 */
export async function setDueTerms(
  { peers, terms, log, progressed }: { peers: SagaPeers; terms: Terms; log: Logger; progressed: () => void },
  sources = SOURCES,
): Promise<DueReport> {
  const report: DueReport = { due: 0, away: [] };
  const failed: unknown[] = [];
  for (const [name, dueTerms] of Object.entries(sources)) {
    try {
      for await (const page of dueTerms(peers, WITHIN_MS)) {
        const set = page.map((one) => terms.setTerms({ terms: [one] }, { timeoutMs: SET_TIMEOUT_MS }));
        for (const [index, outcome] of (await Promise.allSettled(set)).entries()) {
          if (outcome.status === 'fulfilled') report.due += 1;
          else {
            failed.push(outcome.reason);
            log.error({ err: outcome.reason, about: page[index]?.about }, 'a term could not be set; the next run tries it again');
          }
        }
        progressed();
      }
    } catch (error) {
      if (!(error instanceof MusubiError)) failed.push(error);
      report.away.push(name);
      log.warn({ err: error, service: name }, 'a service has not told what ends; the next run asks it again');
    }
  }
  if (failed.length > 0)
    throw new Error(`not all terms could be set, for ${failed.length} reasons: ${termsInWords(report)}`, { cause: failed[0] });
  return report;
}
