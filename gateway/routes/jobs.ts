import { z } from 'zod';
import { failedPrecondition, internal, permissionDenied } from '#platform/errors.ts';
import { jobStateNamed, jobStateView, jobView, nameOfJobState, toJobView } from '#platform/job-view.ts';
import { CLIENT_CODES, isClientCode, problemKind } from '#platform/problems.ts';
import { type Addition, AdditionOutcome } from '#proto/musubi/group/v1/group.ts';
import { type Job, JobState } from '#proto/musubi/job/v1/job.ts';
import type { CommandName } from '../../workflows/commands.ts';
import { accepted, answerFor, awaited, commandHeaders, isFinal, RETRY_AFTER, repeatableHeaders } from '../commands/carry-out.ts';
import type { RequestGateway } from '../gateway.ts';
import { isAllowed } from '../http/authorize.ts';
import { pageOf, pageSchema, paging } from '../http/paging.ts';
import { route } from '../http/route.ts';
import { EXAMPLE_ID, idOf } from '../id.ts';
import { group } from './groups/group-view.ts';

const jobSchema = jobView.meta({
  id: 'Job',
  examples: [
    {
      id: EXAMPLE_ID,
      command: 'member.register',
      state: 'completed',
      progress: { done: 5, total: 5, step: 'done' },
      result: { id: EXAMPLE_ID },
      memberId: EXAMPLE_ID,
      createdAt: '2026-11-25T09:30:00.000Z',
      updatedAt: '2026-11-25T09:30:00.060Z',
      expiresAt: '2026-11-26T09:30:00.060Z',
    },
  ],
});

/** A job's owner is known to Job only, so it is read before Auth is asked. */
const aboutOneJob = {
  params: { jobId: idOf('job') },
  load: ({ params }: { params: { jobId: string } }, gateway: RequestGateway) => readJob(gateway, params.jobId),
  resource: ({ params, loaded }: { params: { jobId: string }; loaded: Job | undefined }) => ({
    type: 'Job',
    id: params.jobId,
    ownerId: loaded?.memberId ?? '',
  }),
  hiddenAs: 'JOB_NOT_FOUND' as const,
};

const getJob = route({
  method: 'GET',
  path: '/v1/jobs/{jobId}',
  tag: 'Jobs',
  operationId: 'getJob',
  summary: 'How far a command is',
  action: 'job.read',
  ...aboutOneJob,
  headers: { Prefer: commandHeaders.Prefer },
  responses: {
    200: {
      description: 'The job: ended, or as it is after the wait that was asked for',
      schema: jobSchema,
      headers: {
        'Preference-Applied': accepted.headers['Preference-Applied'],
        'Retry-After': 'Seconds until it is worth asking again; absent once the job has ended',
      },
    },
  },
  async handle(call, gateway) {
    const job = await awaited(call, gateway, call.loaded);
    const again: Record<string, string> = isFinal(job) ? {} : { 'Retry-After': RETRY_AFTER };
    return { status: 200 as const, body: toJobView(job), headers: again };
  },
});

const OUTCOMES = {
  waiting: AdditionOutcome.ADDITION_OUTCOME_WAITING,
  added: AdditionOutcome.ADDITION_OUTCOME_ADDED,
  already: AdditionOutcome.ADDITION_OUTCOME_ALREADY,
  refused: AdditionOutcome.ADDITION_OUTCOME_REFUSED,
} as const;
const outcome = z.enum(Object.keys(OUTCOMES) as [keyof typeof OUTCOMES]);

const lineSchema = z
  .strictObject({
    id: z.string().meta({ description: 'The number of the line in what was asked for, from 0 on' }),
    memberId: z.string(),
    outcome: outcome.meta({ description: 'waiting: its turn has not come. already: the member was in the group' }),
    error: z
      .strictObject({ code: z.enum(CLIENT_CODES), message: z.string() })
      .optional()
      .meta({ description: 'Why it is refused; absent: it is not' }),
  })
  .meta({
    id: 'JobLine',
    examples: [
      {
        id: '17',
        memberId: EXAMPLE_ID,
        outcome: 'refused',
        error: { code: 'MEMBER_NOT_FOUND', message: problemKind('MEMBER_NOT_FOUND').meaning },
      },
    ],
  });

/** The command of the jobs that have lines. */
const WITH_LINES: CommandName = 'group.add-members';

const listLines = route({
  method: 'GET',
  path: '/v1/jobs/{jobId}/lines',
  tag: 'Jobs',
  operationId: 'listJobLines',
  summary: 'What became of each line of a command that is about many',
  description: `In the order in which they were asked for, for as long as the job is kept. Jobs of \`${WITH_LINES}\` have lines, others have none. Those of a job that is not yours are for those who may see the members of its group (\`group.list-members\`).`,
  action: 'job.read',
  ...aboutOneJob,
  query: { outcome: outcome.optional().meta({ description: 'Only lines with this outcome', examples: ['refused'] }), ...paging },
  responses: { 200: { description: 'A page of lines', schema: pageSchema(lineSchema, 'JobLinePage') } },
  problems: ['PAGE_TOKEN_INVALID', 'PERMISSION_DENIED'],
  async handle({ loaded, principal, accessToken, query: { outcome, pageSize, pageToken = '' } }, gateway) {
    const { jobId, command, aggregateId } = loaded;
    if (command !== WITH_LINES && pageToken === '') return pageOf<z.output<typeof lineSchema>>([], '');
    // They tell of each whether it is in the group.
    const listing = { accessToken, action: 'group.list-members', resource: group(aggregateId) } as const;
    if (loaded.memberId !== principal.memberId && !(await isAllowed(gateway, listing)))
      throw permissionDenied('PERMISSION_DENIED', `you may not see who is in the group: it needs ${listing.action}`);
    const asked = outcome ? OUTCOMES[outcome] : AdditionOutcome.ADDITION_OUTCOME_UNSPECIFIED;
    const { additions, nextPageToken } = await gateway.group.listAdditions({ jobId, outcome: asked, pageSize, pageToken });
    return pageOf(additions.map(toLine), nextPageToken);
  },
});

function toLine({ line, memberId, outcome, code }: Addition): z.output<typeof lineSchema> {
  const words = (Object.keys(OUTCOMES) as (keyof typeof OUTCOMES)[]).find((word) => OUTCOMES[word] === outcome) ?? 'waiting';
  if (words !== 'refused') return { id: `${line}`, memberId, outcome: words };
  const known = isClientCode(code) ? code : 'INTERNAL';
  return { id: `${line}`, memberId, outcome: words, error: { code: known, message: problemKind(known).meaning } };
}

const listJobs = (commands: readonly string[]) =>
  route({
    method: 'GET',
    path: '/v1/jobs',
    tag: 'Jobs',
    operationId: 'listJobs',
    summary: 'Your jobs, newest first',
    action: 'job.list',
    resource: ({ claimedMemberId }) => ({ type: 'Job', id: '', ownerId: claimedMemberId }),
    query: {
      state: jobStateView.optional().meta({
        description: 'Only jobs in this state; those that are `unknown` here can not be asked for',
        examples: ['running'],
      }),
      command: z
        .enum(commands)
        .optional()
        .meta({ description: 'Only jobs of this command', examples: ['member.register'] }),
      ...paging,
    },
    responses: { 200: { description: 'A page of jobs', schema: pageSchema(jobSchema, 'JobPage') } },
    problems: ['PAGE_TOKEN_INVALID'],
    async handle({ principal, query }, gateway) {
      const { state, command = '', pageSize, pageToken = '' } = query;
      const { jobs, nextPageToken } = await gateway.job.listJobs({
        memberId: principal.memberId,
        state: state ? jobStateNamed(state) : JobState.JOB_STATE_UNSPECIFIED,
        command,
        pageSize,
        pageToken,
      });
      return pageOf(jobs.map(toJobView), nextPageToken);
    },
  });

const cancelJob = route({
  method: 'POST',
  path: '/v1/jobs/{jobId}:cancel',
  tag: 'Jobs',
  operationId: 'cancelJob',
  summary: 'Cancel a command: what it did so far is undone',
  description: `Possible until the command passes its point of no return. One of \`${WITH_LINES}\` can be stopped after it, too: what was done stays, the lines whose turn has not come are refused (LINE_CANCELLED), and the job is completed.`,
  action: 'job.cancel',
  ...aboutOneJob,
  headers: { ...repeatableHeaders, Prefer: commandHeaders.Prefer },
  responses: {
    200: { description: 'The job is cancelled and undone, or was stopped and has ended', schema: jobSchema },
    202: accepted,
  },
  problems: ['JOB_FINISHED', 'JOB_NOT_STARTED', 'JOB_INTERRUPTED', 'TEMPORAL_UNAVAILABLE'],
  async handle(call, gateway) {
    const { loaded: job, ctx } = call;
    if (isFinal(job)) throw finished(job);
    const answer = await gateway.commands.cancelCommand(job.jobId);
    const stops = answer === 'too-late' && job.command === WITH_LINES;
    if (answer === 'too-late' && !stops) throw finished(job);
    if (stops) await gateway.lasting.group.stopAdditions({ jobId: job.jobId });
    // What had begun and is not known any more has lost its history.
    if (answer === 'interrupted' || (answer === 'unknown' && job.state !== JobState.JOB_STATE_QUEUED)) {
      const message = 'The command was interrupted, and an operator must have it go on: until then it can not be cancelled.';
      throw failedPrecondition('JOB_INTERRUPTED', message);
    }
    if (answer === 'unknown') throw failedPrecondition('JOB_NOT_STARTED');
    ctx.state.jobId = job.jobId;
    const final = await answerFor(call, gateway, job, async (final) => final);
    if ('status' in final) return final;
    if (final.state !== JobState.JOB_STATE_CANCELLED && !stops) throw finished(final);
    return { status: 200 as const, body: toJobView(final) };
  },
});

function finished({ state }: Job) {
  const name = nameOfJobState(state);
  return failedPrecondition(
    'JOB_FINISHED',
    name ? `The job is ${name}: it is too late to cancel it.` : 'It is too late to cancel the job.',
  );
}

async function readJob(gateway: RequestGateway, jobId: string): Promise<Job> {
  const { job } = await gateway.job.getJob({ jobId });
  if (!job) throw internal('INTERNAL', 'Job answered without a job');
  return job;
}

/** @param commands the names of all, by which jobs can be listed */
export const jobRoutes = (commands: readonly string[]) => [getJob, listLines, listJobs(commands), cancelJob];
