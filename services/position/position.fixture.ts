import { randomUUID } from 'node:crypto';
import { sql } from '#platform/postgres/database.ts';
import type { Permission, Tenure } from '#proto/musubi/position/v1/position.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { readBindings } from './bindings.ts';
import { defaultPositionId } from './domain.ts';
import { positionHandlers } from './grpc.ts';
import { openStore, readPositions } from './store.ts';

/** What a call brings, in time enough for any test. */
export const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 600_000) };
export const unique = (word: string): string => `${word} ${randomUUID()}`;
export const UPDATE: Permission = { action: 'group.update', reach: 'REACH_HERE' };

/** A job that works on one thing: its steps have its ID. */
export const job = (jobId: string = randomUUID()) => ({ jobId, of: (step: string) => `${jobId}/${step}` });
export type Job = ReturnType<typeof job>;

/** For how long members are bound, where nothing is said of that. */
export const NO_TENURE: Tenure = { prolongedIds: [], shortens: false, endingSoonerIds: [] };
/** The same where one leads a group no more, or for less long, but these do. */
export const ledBy = (...memberIds: string[]): Tenure => ({ ...NO_TENURE, leaders: { memberIds } });

/** What a change of bindings is asked, where nothing else is said. */
const NO_CHANGE = {
  bind: [],
  release: [],
  releaseAll: false,
  successorId: undefined,
  until: undefined,
};

/**
 * The service on a database of one test file's own; and what tests do and ask again and again.
 *
 * @param name a word that tells whose database it is
 */
export async function openTestPositions(name: string) {
  const scratch = scratchDatabase(`position_${name}`);
  const db = await openStore(scratch);
  const service = positionHandlers(db);
  type Change = Partial<Omit<Parameters<typeof service.beginChangeBindings>[0], 'operationId' | 'groupId' | 'memberId'>>;
  const begin = (groupId: string, memberId: string, change: Change, { of }: Job = job()) =>
    service.beginChangeBindings({ operationId: of('begin'), groupId, memberId, ...NO_CHANGE, ...change }, call);
  const commit = ({ of }: Job) => service.commitBindings({ operationId: of('commit') }, call);
  const claim = (groupId: string, memberId: string, { of }: Job = job()) =>
    service.claimBindings({ operationId: of('claim'), groupId, memberId }, call);
  const closeMember = (memberId: string, { of }: Job = job()) =>
    service.closeMember({ operationId: of('close'), memberId }, call);
  const release = (memberId: string, { of }: Job = job()) =>
    service.releaseMember({ operationId: of('release'), memberId }, call);
  return {
    db,
    service,
    begin,
    commit,
    claim,
    closeMember,
    release,
    /** What a deletion of a member does here. */
    closeAndRelease: async (memberId: string, at: Job = job()) => {
      await closeMember(memberId, at);
      return await release(memberId, at);
    },
    /** A group with its default positions. */
    createGroup: async (leaderId: string | undefined = randomUUID()) => {
      const groupId = randomUUID();
      await service.addDefaultPositions({ operationId: job().of('add'), groupId, leaderId }, call);
      return {
        groupId,
        leaderId,
        leading: defaultPositionId(groupId, 'leader'),
        ofMembers: defaultPositionId(groupId, 'member'),
      };
    },
    createPosition: async (groupId: string, name = unique('Treasurer'), { jobId, of }: Job = job()) => {
      const positionId = randomUUID();
      await service.beginCreatePosition({ operationId: of('begin'), groupId, positionId, name, permissions: [UPDATE] }, call);
      const { written } = await service.commitPosition({ operationId: of('commit'), positionId }, call);
      return { positionId, name, written, jobId };
    },
    change: async (groupId: string, memberId: string, change: Change) => {
      const one = job();
      await begin(groupId, memberId, change, one);
      return await commit(one);
    },
    positionOf: async (positionId: string) => (await readPositions(db, { ids: [positionId] }))[0],
    /** The IDs of the positions to which a member is bound. */
    boundTo: async (groupId: string, memberId: string): Promise<string[]> => {
      const [found] = await readBindings(db, { ids: [`${groupId}.${memberId}`] });
      return (found?.bindings ?? []).map(({ positionId }) => positionId);
    },
    eventsOf: async (id: string): Promise<string[]> => {
      const rows = await db.query<{ type: string; version: number }>(
        sql`select type, version from outbox where aggregateid = ${id} order by version`,
      );
      return rows.map(({ type, version }) => `${type} ${version}`);
    },
    undo: (operationId: string) => service.undo({ operationId }, call),
    close: (): Promise<void> => scratch.drop(),
  };
}
