import {
  ChildWorkflowFailure,
  condition,
  defineUpdate,
  executeChild,
  makeContinueAsNewFunc,
  setHandler,
  TemporalFailure,
  workflowInfo,
} from '@temporalio/workflow';
import type { Term } from '../activities/terms.ts';
import { HISTORY, OF_THE_SYSTEM, SEARCH_ATTRIBUTES, SET_TERM, TIMERS } from '../temporal.config.ts';
import { Details } from './details.ts';
import type { Refused } from './saga.ts';
import { mustStep, services } from './step.ts';

/** What is set where the saga's history is lost: nothing, for which terms those were is lost with it. The Schedule finds them in time. */
export const noTerms = () => ({ terms: [] });

/** Gives a running term another moment; null: it ends by itself. */
const setTerm = defineUpdate<void, [Term]>(SET_TERM);

/**
 * A term: waits until something ends, for years if need be, and then has a command end it, as a job that the system itself begins. Its
 * workflow's ID says what it is about: `term/position/GROUP/MEMBER/POSITION`.
 *
 * A saga sets terms by a step after its pivot, while it still has its lock, so that of two changes the later one sets it last:
 *
 *     finish(term.setTerms, noTerms),
 *     finish(group.commitMembership, …),
 *     …
 *     await step(term.setTerms, { terms: [invitationTerm({ groupId, memberId, until })] });
 *
 * That is an update of the term, which is started where it does not run. Where the saga's history is lost, and where Temporal's data is, nothing is
 * set: then the Schedule `upkeep.terms` does it, shortly before it matters, for all that services tell of (`worker/terms.ts`).
 *
 * The command is begun until it is through: one that was undone, as a service was away for too long, is begun again as another job. One that
 * is refused is not.
 */
export async function term(set: Term): Promise<void> {
  const details = new Details();
  let newest = set;
  setHandler(setTerm, (next) => {
    if (next.until !== newest.until) newest = next;
  });
  let inVain = 0;
  for (let jobs = 0; ; ) {
    if (workflowInfo().historyLength >= HISTORY.mostEvents) await makeContinueAsNewFunc<typeof term>()(newest);
    const now = newest;
    const isChanged = (): boolean => newest !== now;
    const { until, command } = now;
    if (until === null) return details.say('It has no end any more.');
    const ms = Date.parse(until) - Date.now();
    details.say(`It ends at ${until}, by \`${command}\`.`);
    if (ms > 0 && (await condition(isChanged, ms, { summary: `ends at ${until}` }))) continue;
    jobs++;
    const isThrough = await details.row(`${command}, for ${until}`, () => end(details, now, jobs));
    if (isThrough && !isChanged()) return details.say(`It has ended at ${until}.`);
    if (!isChanged()) {
      details.say(`It ended at ${until}. **To end it was in vain**; it is tried again.`);
      await condition(isChanged, againAfterMs(++inVain), { summary: TIMERS.endAgain.summary });
    }
    if (isChanged()) inVain = 0;
  }
}

/** Most often others were at it, who have ended by now: each try has taken a minute itself. @param inVain how often it was tried */
const againAfterMs = (inVain: number): number => Math.min(TIMERS.endAgain.ms, TIMERS.endAgain.firstMs * 2 ** (inVain - 1));

/** Has the command do it, as a job of its own. @returns whether there is nothing more to do: it is done, or was refused */
async function end(details: Details, { command, input, aggregateId, until }: Term, jobs: number): Promise<boolean> {
  const { workflowId, runId } = workflowInfo();
  // However often it is asked for, it is the same job.
  const key = `${runId}/${jobs}`;
  const asked = { command, memberId: OF_THE_SYSTEM, aggregateId, idempotencyKey: key, fingerprint: key };
  const { job } = await mustStep(details, services.job.issueJob, { operationId: key }, asked);
  try {
    await executeChild<(input: object) => Promise<object | Refused>>(command, {
      workflowId: job?.jobId ?? '',
      args: [input],
      // It is a job like any other: it goes on without this.
      parentClosePolicy: 'ABANDON',
      cancellationType: 'ABANDON',
      typedSearchAttributes: [
        { key: SEARCH_ATTRIBUTES.command, value: command },
        { key: SEARCH_ATTRIBUTES.member, value: OF_THE_SYSTEM },
        { key: SEARCH_ATTRIBUTES.aggregate, value: aggregateId },
      ],
      staticSummary: `The end, at ${until}, of ${workflowId}`,
    });
    return true;
  } catch (error) {
    // It has begun already: this run was reset.
    if (error instanceof TemporalFailure && error.name === 'WorkflowExecutionAlreadyStartedError') return true;
    if (error instanceof ChildWorkflowFailure) return false;
    throw error;
  }
}
