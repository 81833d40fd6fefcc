import type { Client } from '@temporalio/client';

/**
 * Has a workflow that was closed from outside go on where it was: from its last workflow task, which is done again. What
 * that one had done is answered from the services' records.
 *
 * Its child workflows were closed with it, and nobody would tell the new run so. Where some were open, it therefore goes on
 * from the last workflow task at which none was, and begins them again.
 */
export async function reset(client: Client, workflowId: string, runId: string): Promise<void> {
  const {
    workflowService,
    options: { namespace },
  } = client;
  const { events } = await client.workflow.getHandle(workflowId, runId).fetchHistory();
  const workflowTaskFinishEventId = resetPoint(events ?? []);
  if (workflowTaskFinishEventId == null) throw new Error(`the workflow ${workflowId} has no workflow task to be reset to`);
  await workflowService.resetWorkflowExecution({
    namespace,
    workflowExecution: { workflowId, runId },
    reason: 'repair: it was closed before it had ended its job',
    workflowTaskFinishEventId,
    // The same reset, however often it is asked for.
    requestId: `repair-${runId}`,
  });
}

type Event = NonNullable<
  NonNullable<Awaited<ReturnType<ReturnType<Client['workflow']['getHandle']>['fetchHistory']>>['events']>
>[number];

/** The event before which the history ends that is kept: the end of a workflow task or, if that was never begun, the close. */
function resetPoint(events: readonly Event[]): Event['eventId'] {
  const open = new Set<string>();
  let point: Event['eventId'];
  events.forEach((event, at) => {
    if (event.startChildWorkflowExecutionInitiatedEventAttributes) open.add(String(event.eventId));
    const closed = closedChild(event);
    if (closed) open.delete(String(closed.initiatedEventId));
    if (open.size > 0) return;
    // The next event is its end, unless the workflow was closed meanwhile.
    if (event.workflowTaskStartedEventAttributes) point = events[at + 1]?.eventId;
    // If it is never begun, all stays but the close itself.
    if (event.workflowTaskScheduledEventAttributes) point = events.at(-1)?.eventId;
  });
  return point;
}

const closedChild = (event: Event) =>
  event.startChildWorkflowExecutionFailedEventAttributes ??
  event.childWorkflowExecutionCompletedEventAttributes ??
  event.childWorkflowExecutionFailedEventAttributes ??
  event.childWorkflowExecutionCanceledEventAttributes ??
  event.childWorkflowExecutionTimedOutEventAttributes ??
  event.childWorkflowExecutionTerminatedEventAttributes;
