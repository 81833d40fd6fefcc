import { status } from '@grpc/grpc-js';
import { activityInfo, heartbeat } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import { ERASED_AT_ONCE, type Requested } from '#platform/erasure.ts';
import { MusubiError } from '#platform/errors.ts';
import type { Logger } from '#platform/process/log.ts';
import { JobState } from '#proto/musubi/job/v1/job.ts';
import type { SagaPeers } from '../activities/index.ts';
import { ERASERS, type Eraser } from '../services/catalogue.ts';
import { jobOf, SEARCH_ATTRIBUTES } from '../temporal.config.ts';

/** What a run has come to: of members and of entries in places, without anything personal. */
export interface ErasureReport {
  /** How many members it has looked at: all that are to be erased, or were. */
  members: number;
  /** Of how many something is left. */
  waiting: number;
  /** How many entries were erased, by place. */
  erased: Record<string, number>;
  /** The services that were away. */
  away: string[];
  /** The members that are not erased though they were deleted a day ago. */
  overdue: { count: number; first?: string | undefined };
}

export interface ErasureSources {
  client: Client;
  peers: Pick<SagaPeers, Eraser | 'job'>;
  log: Logger;
}

/** How far a run is, for the attempt after it. */
interface Reached {
  after: string;
  report: ErasureReport;
}

const NOTHING: ErasureReport = { members: 0, waiting: 0, erased: {}, away: [], overdue: { count: 0 } };

/** What a run has come to, for those who look at it in the Web UI. */
export function erasuresInWords({ members, waiting, erased, away, overdue }: ErasureReport): string {
  const places = Object.entries(erased).map(([place, count]) => `${count} in ${place}`);
  return [
    `Looked at ${members} deleted members.`,
    places.length > 0 ? `Erased: ${places.join(', ')}.` : 'There was nothing to erase.',
    ...(waiting > 0 ? [`Of ${waiting} something is left, for a later run.`] : []),
    ...(away.length > 0 ? [`**Away:** ${away.join(', ')}.`] : []),
    ...(overdue.count > 0 ? [`**${overdue.count} not erased within a day**, first ${overdue.first}.`] : []),
  ].join(' ');
}

interface Page {
  memberIds: string[];
  /** After which the next one begins; undefined: there is none. */
  last: string | undefined;
}

/** What is known of each member of a page. */
type Notes = Map<string, { erased: { place: string; count: number }[]; waitingFor: Set<string> }>;

const ERASE_TIMEOUT_MS = 20_000;
/** Members whose histories are looked for by one query. */
const QUERIED_AT_ONCE = 50;
/** How long the history of a registration that was refused is kept, ms: who never became a member is never deleted. */
const REFUSED_KEPT_MS = 3_600_000;
const TEMPORAL = 'temporal';
/** It tells who is to be erased by what Kafka has. */
const KAFKA_READER = 'query' satisfies Eraser;

/**
 * The activity of the Schedule: has every service erase what it keeps of deleted members, deletes the histories of what was done to them,
 * and has Auth note what was erased where. It looks at all members that were ever deleted: a restored backup has brought back what it
 * then finds. One that is cut off goes on at its page. A service that is away is asked by the next run; only without Auth nothing is done.
 */
export async function eraseDeleted(sources: ErasureSources, { refusedKeptMs = REFUSED_KEPT_MS } = {}): Promise<ErasureReport> {
  const reached = activityInfo().heartbeatDetails as Reached | undefined;
  const report: ErasureReport = structuredClone(reached?.report ?? NOTHING);
  let at: Reached = { after: reached?.after ?? '', report: structuredClone(report) };
  for (;;) {
    // Between two pages, and within one, which may take long.
    const beat = (): void => heartbeat(at);
    const { memberIds, last } = await nextMembers(sources, at.after, report);
    if (last === undefined) break;
    await erasePage(sources, memberIds, { report, beat });
    at = { after: last, report: structuredClone(report) };
    beat();
  }
  const refused = await eraseRefused(sources, refusedKeptMs, () => heartbeat(at));
  if (refused > 0) report.erased[`${TEMPORAL}.refused_registrations`] = refused;
  if (Object.keys(report.erased).length > 0) sources.log.info({ ...report }, 'deleted members were erased');
  return report;
}

/**
 * The next members, in the order of their IDs. Auth knows them; but its store may have been restored to a copy that does not know all, so
 * others are asked, too, and Auth whether it has asked for that once.
 */
async function nextMembers({ peers, log }: ErasureSources, afterId: string, report: ErasureReport): Promise<Page> {
  const pageSize = ERASED_AT_ONCE;
  const pages = await Promise.all(
    ERASERS.map(async (name) => {
      try {
        return (await peers[name].listErased({ afterId, pageSize })).requested;
      } catch (error) {
        if (name === 'auth' || !(error instanceof MusubiError)) throw error;
        isAway(name, report, log, error);
        return [];
      }
    }),
  );
  // Of a full page it is not known what comes behind it.
  const ends = pages.flatMap((page) => (page.length === pageSize ? (page.at(-1)?.memberId ?? []) : []));
  const [end] = ends.sort();
  // Of what Auth knows its word counts: who can write to Kafka can not hold up an erasure by a proof that is none.
  const known = ERASERS.flatMap((name, at) => (name === 'auth' ? (pages[at] ?? []) : []));
  const all = new Map([...pages.flat(), ...known].map((each) => [each.memberId, each]));
  const requested = [...all.values()]
    .filter(({ memberId }) => end === undefined || memberId <= end)
    .sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
    .slice(0, pageSize);
  const last = requested.at(-1)?.memberId;
  if (last === undefined) return { memberIds: [], last };
  const untoldMemberIds = report.away.includes(KAFKA_READER)
    ? []
    : untold(requested, known, pages[ERASERS.indexOf(KAFKA_READER)] ?? []);
  return { ...(await peers.auth.confirmErasures({ requested, untoldMemberIds })), last };
}

/** Those of these that Auth knows of and Kafka does not, or has from somebody else. */
function untold(of: readonly Requested[], known: readonly Requested[], inKafka: readonly Requested[]): string[] {
  const own = new Set(known.map(({ memberId }) => memberId));
  const proofs = new Map(inKafka.map(({ memberId, proof }) => [memberId, proof]));
  return of.filter(({ memberId, proof }) => own.has(memberId) && proofs.get(memberId) !== proof).map(({ memberId }) => memberId);
}

async function erasePage(
  sources: ErasureSources,
  memberIds: string[],
  { report, beat }: { report: ErasureReport; beat: () => void },
): Promise<void> {
  const { peers, log } = sources;
  const notes: Notes = new Map(memberIds.map((id) => [id, { erased: [], waitingFor: new Set() }]));
  // One after the other, readers of events last: else an event of a service that has not erased a member yet could reach one that has.
  for (const name of ERASERS) {
    try {
      const { erased, pendingMemberIds } = await peers[name].erase({ memberIds }, { timeoutMs: ERASE_TIMEOUT_MS });
      for (const { memberId, place, count } of erased) notes.get(memberId)?.erased.push({ place: `${name}.${place}`, count });
      for (const id of pendingMemberIds) notes.get(id)?.waitingFor.add(name);
    } catch (error) {
      if (!(error instanceof MusubiError)) throw error;
      isAway(name, report, log, error);
      for (const { waitingFor } of notes.values()) waitingFor.add(name);
    }
    beat();
  }
  for (let at = 0; at < memberIds.length; at += QUERIED_AT_ONCE) {
    await eraseHistories(sources, memberIds.slice(at, at + QUERIED_AT_ONCE), notes);
    beat();
  }
  const list = [...notes].map(([memberId, { erased, waitingFor }]) => ({ memberId, erased, waitingFor: [...waitingFor] }));
  const { overdueMemberIds } = await peers.auth.noteErasures({ notes: list });
  report.members += list.length;
  report.waiting += list.filter(({ waitingFor }) => waitingFor.length > 0).length;
  for (const { place, count } of list.flatMap(({ erased }) => erased)) report.erased[place] = (report.erased[place] ?? 0) + count;
  const [first] = overdueMemberIds;
  report.overdue = { first: report.overdue.first ?? first, count: report.overdue.count + overdueMemberIds.length };
}

function isAway(name: string, report: ErasureReport, log: Logger, error: unknown): void {
  if (report.away.includes(name)) return;
  report.away.push(name);
  log.warn({ err: error, service: name }, 'a service has not erased deleted members; the next run asks it again');
}

/** Deletes the histories of what was done to members: what sagas were given is in them. One that may yet be needed stays until it is not. */
async function eraseHistories({ client, peers }: ErasureSources, memberIds: readonly string[], notes: Notes): Promise<void> {
  const query = `${SEARCH_ATTRIBUTES.aggregate.name} in (${memberIds.map((id) => `'${id}'`).join(',')})`;
  for await (const { workflowId, runId, status, typedSearchAttributes } of client.workflow.list({ query })) {
    const note = notes.get(typedSearchAttributes.get(SEARCH_ATTRIBUTES.aggregate) ?? '');
    if (!note) continue;
    if (status.name === 'RUNNING' || !(await isOver(peers, workflowId))) {
      note.waitingFor.add(TEMPORAL);
      continue;
    }
    await deleteHistory(client, { workflowId, runId });
    const counted = note.erased.find(({ place }) => place === `${TEMPORAL}.histories`);
    if (counted) counted.count++;
    else note.erased.push({ place: `${TEMPORAL}.histories`, count: 1 });
  }
}

const ENDED: ReadonlySet<JobState> = new Set([
  JobState.JOB_STATE_COMPLETED,
  JobState.JOB_STATE_FAILED,
  JobState.JOB_STATE_CANCELLED,
]);

/** Whether nobody will look at a closed workflow's history any more: its job has ended, or was forgotten. */
async function isOver({ job: jobs }: ErasureSources['peers'], workflowId: string): Promise<boolean> {
  try {
    const { job } = await jobs.getJob({ jobId: jobOf(workflowId) });
    return !job || ENDED.has(job.state);
  } catch (error) {
    if (!(error instanceof MusubiError)) throw error;
    return error.code === 'JOB_NOT_FOUND';
  }
}

/** Deletes the histories of registrations that came to nothing, of which nothing else is kept. @returns how many */
async function eraseRefused({ client, peers }: ErasureSources, keptMs: number, beat: () => void): Promise<number> {
  const { command, outcome } = SEARCH_ATTRIBUTES;
  // Both times are Temporal's.
  const before = new Date(activityInfo().currentAttemptScheduledTimestampMs - keptMs).toISOString();
  const refused = `${command.name} = 'member.register' and ${outcome.name} in ('refused', 'cancelled') and CloseTime < '${before}'`;
  let count = 0;
  for await (const { workflowId, runId } of client.workflow.list({ query: refused })) {
    if (!(await isOver(peers, workflowId))) continue;
    await deleteHistory(client, { workflowId, runId });
    count++;
    beat();
  }
  return count;
}

async function deleteHistory(client: Client, workflowExecution: { workflowId: string; runId: string }): Promise<void> {
  const { namespace } = client.options;
  try {
    await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution });
  } catch (error) {
    if (!isGone(error)) throw error;
  }
}

/** Whether gRPC itself says so: this call is not made through the client's handles, which have errors of their own. */
const isGone = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === status.NOT_FOUND;
