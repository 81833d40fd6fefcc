import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

// Everything about Temporal that is decided rather than configured. The workflow sandbox imports
// this file, so it holds constants only; the environment's part is `temporalShape` (worker/config.ts).

/** The domains that orchestrate sagas. Each can have a task queue of its name, to be deployed alone. */
export const DOMAINS = ['member', 'role', 'policy', 'auth', 'group', 'position', 'chat'] as const;
export type Domain = (typeof DOMAINS)[number];

/** What commands are about: their domain, or what it calls otherwise. */
type Noun = Domain | 'room';
const DOMAIN_OF: Readonly<Partial<Record<Noun, Domain>>> = { room: 'chat' };

/** A command's name: what it is about, which tells its domain, and what is done. */
export type Command = `${Noun}.${string}`;

/** The task queue of all domains that have none of their own: a worker of each would cost every host a thread, a heap and pollers. */
const SHARED_QUEUE = 'sagas';

/** The task queue of a domain. @param own the domains that have one of their own */
export const queueOfDomain = (domain: Domain, own: readonly Domain[] = []): string =>
  own.includes(domain) ? domain : SHARED_QUEUE;

/** The task queue of a command, by its first word: `member.register` is of the domain `member`, `room.create` of `chat`. */
export function queueOfCommand(command: Command, own: readonly Domain[] = []): string {
  const noun = command.slice(0, command.indexOf('.')) as Noun;
  return queueOfDomain(DOMAIN_OF[noun] ?? (noun as Domain), own);
}

/** The job that a workflow works for: the workflow of its ID, or one that is run by it and has an ID below that. */
export const jobOf = (workflowId: string): string => workflowId.split('/')[0] ?? '';

/** How a command ended, or what it will come to while it is being undone. */
export type Outcome = 'done' | 'refused' | 'cancelled' | 'failed';

/** What workflows can be found by: `MusubiMember = "…" and MusubiOutcome = "failed"`. */
export const SEARCH_ATTRIBUTES = {
  /** "member.register", … */
  command: defineSearchAttributeKey('MusubiCommand', SearchAttributeType.KEYWORD),
  /** On whose behalf; of a term, whom it concerns. */
  member: defineSearchAttributeKey('MusubiMember', SearchAttributeType.KEYWORD),
  /** What is changed. */
  aggregate: defineSearchAttributeKey('MusubiAggregate', SearchAttributeType.KEYWORD),
  /**
   * `done`; `refused`: the service said no, as it should; `cancelled`; `failed`: a service failed or was away for too
   * long. Set as soon as it is known: while the workflow runs on, it is being undone. Absent in runs of earlier releases.
   */
  outcome: defineSearchAttributeKey('MusubiOutcome', SearchAttributeType.KEYWORD),
  /** The code that the command was refused, or failed, with. */
  failure: defineSearchAttributeKey('MusubiFailure', SearchAttributeType.KEYWORD),
  /** The step that must get through and has not for ALARM_AFTER_MS; unset again once it is through. */
  alarm: defineSearchAttributeKey('MusubiAlarm', SearchAttributeType.KEYWORD),
} as const;

/** The query by which a workflow says whether it is past its point of no return, so that to cancel it is too late. */
export const TOO_LATE_QUERY = 'tooLate';

/** The update by which a term (`workflows/term.ts`) is given another moment. */
export const SET_TERM = 'setTerm';

/** On whose behalf a job is that the system itself begins. */
export const OF_THE_SYSTEM = 'system';

/** How long one attempt of a step may take, ms. */
const ATTEMPT_MS = 5_000;

/**
 * Every step is first tried inside the workflow task (a local activity: ~5 ms instead of ~50 ms).
 * If a few quick attempts fail, the service is away: the step goes on as a regular activity, whose
 * retries Temporal keeps. They hold no workflow task, add nothing to the history however long they
 * last, and the Web UI shows the attempt and the last error.
 */
export const QUICK = {
  startToCloseTimeout: ATTEMPT_MS,
  scheduleToCloseTimeout: 15_000,
  localRetryThreshold: 1_000,
  retry: { initialInterval: 100, backoffCoefficient: 3, maximumAttempts: 4 },
} as const;

/** Steps that may fail the saga: after a minute altogether (15 s of quick attempts at most, then these 45) it is undone. */
export const BOUNDED = {
  startToCloseTimeout: ATTEMPT_MS,
  scheduleToCloseTimeout: 45_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 1.5, maximumInterval: 5_000 },
} as const;

/** Steps that must get through: undos, steps after the pivot, the job's end. No limit. */
export const UNBOUNDED = {
  startToCloseTimeout: ATTEMPT_MS,
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 15_000 },
} as const;

/** Others are at the same member: tried again soon at first, then less and less often, ms; a bit at random, or all would come at once. */
export const CONFLICT = { firstMs: 100, mostMs: 2_000 } as const;

/** What is only reported and may be lost: one attempt, and no more than a pause where no worker takes it. */
export const BEST_EFFORT = { startToCloseTimeout: 1_000, scheduleToCloseTimeout: 5_000, retry: { maximumAttempts: 1 } } as const;

/** How long a command waits for queries to see its effect before its job says `applied`, ms. */
export const VISIBLE_WITHIN_MS = 2_000;
/** How long one attempt waits for it after that, ms: short, for it holds a place that other steps need. */
export const VISIBLE_ATTEMPT_MS = 1_000;
/** Attempts are unlimited: it is seen one day. */
export const UNTIL_VISIBLE = {
  startToCloseTimeout: 2_000,
  retry: { initialInterval: 1_000, backoffCoefficient: 1.5, maximumInterval: 5_000 },
} as const;
/** A must-get-through step that has not after this long raises the alarm (and goes on), ms. */
export const ALARM_AFTER_MS = 5 * 60_000;
/** The timers of workflows: how long they take, ms, and what the Web UI shows of them. */
export const TIMERS = {
  /** A step that must get through raises the alarm. */
  alarm: { ms: ALARM_AFTER_MS, summary: 'alarm' },
  /** A child workflow that was closed from outside is begun again. */
  beginAgain: { ms: 1_000, summary: 'begins again what was closed from outside' },
  /** What ends by a term could not be ended. It is tried again soon at first, and then after twice as long each time, up to `ms`. */
  endAgain: { firstMs: 2_000, ms: 60_000, summary: 'tries again to end it' },
} as const;

/**
 * What is done regularly, by the ID of its Schedule, which is also the type of the workflow that it starts and the name of
 * that one's activity. One that is not through yet is not started again.
 */
export const SCHEDULES = {
  'upkeep.unfinishedJobs': {
    everyMs: 60_000,
    summary: 'Looks for unfinished jobs whose workflow was closed or is gone',
    attempt: { startToCloseTimeout: 45_000 },
  },
  // It goes over all members and roles, and on from where it was last heard of.
  'upkeep.reconcile': {
    everyMs: 5 * 60_000,
    summary: 'Makes Auth agree with what Member, Role, Group and Position have',
    attempt: { startToCloseTimeout: 30 * 60_000, heartbeatTimeout: 60_000 },
  },
  // It looks at every member that was ever deleted, page by page, and goes on at the page at which it was cut off.
  'upkeep.erasures': {
    everyMs: 3_600_000,
    summary: 'Erases what is kept of deleted members, and what a restored backup has brought back of them',
    attempt: { startToCloseTimeout: 6 * 3_600_000, heartbeatTimeout: 60_000 },
  },
  'upkeep.terms': {
    everyMs: 5 * 60_000,
    summary: 'Sets the timers of all that ends soon, or has ended: Temporal may have lost some',
    attempt: { startToCloseTimeout: 30 * 60_000, heartbeatTimeout: 60_000 },
  },
} as const;
export type ScheduleId = keyof typeof SCHEDULES;

/** How the activity of a Schedule is tried: until it is through, for what it needs may be away. */
export const REGULAR = {
  retry: { initialInterval: 1_000, backoffCoefficient: 2, maximumInterval: 15_000 },
} as const;

/** A step that takes longer than this, or is retried, is reported as the job's progress, ms. */
export const REPORT_AFTER_MS = 300;

/**
 * When a saga over a long list goes on in a new run: a history is read as a whole by a worker that has not got it, and
 * Temporal warns at 10,240 events. None gets 5,000. An item takes one event. Where its service is away it takes 14 at most,
 * with its activity, its alarm and a workflow task for each, so the items that are under way at the same time are bounded.
 * A workflow task does so many items: a request to cancel comes with the next task only.
 *
 * What a run hands on to the next is one message: the input, with an ID for each item, and the version of each aggregate
 * that was written, 80 bytes an item. Temporal takes 2 MB, so a list has at most 10,000 items.
 */
export const HISTORY = {
  mostItems: 1_000,
  mostEvents: 3_000,
  itemsOfTask: 100,
  mostAtOnce: 100,
  mostOfList: 10_000,
} as const;

/** How a process's workers are tuned: for latency, and for lying still when there is nothing to do. */
export const WORKER_TUNING = {
  // One V8 context for all workflows of a worker: 1 MB a cached workflow instead of 10.
  reuseV8Context: true,
  workflowThreadPoolSize: 1,
  maxCachedWorkflows: 200,
  // A saga that its gateway has no place for begins elsewhere, at twice the price: each step is then a call over a socket.
  maxConcurrentWorkflowTaskExecutions: 100,
  maxConcurrentLocalActivityExecutions: 100,
  maxConcurrentActivityTaskExecutions: 100,
  maxConcurrentWorkflowTaskPolls: 4,
  nonStickyToStickyPollRatio: 0.5,
  maxConcurrentActivityTaskPolls: 2,
  shutdownGraceTime: 6_000,
  shutdownForceTime: 15_000,
} as const;
