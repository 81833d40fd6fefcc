import { randomUUID } from 'node:crypto';
import { sql } from '#platform/postgres/database.ts';
import { ROOT } from '#platform/validation/group-fields.ts';
import type { BeginCreateGroupRequest, BeginTagRequest, TagsChange } from '#proto/musubi/group/v1/group.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { groupHandlers } from './grpc.ts';
import { readMemberships } from './memberships/memberships.ts';
import { openStore, readGroups } from './store.ts';

/** What a call brings, in time enough for any test. */
export const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 600_000) };
export const unique = (word: string): string => `${word} ${randomUUID()}`;

/** A job that works on one thing: its steps have its ID. */
export const job = (jobId: string = randomUUID()) => ({ jobId, of: (step: string) => `${jobId}/${step}` });
export type Job = ReturnType<typeof job>;

interface Renamed {
  name?: string;
  merge?: boolean;
}
type Carrier = Pick<BeginTagRequest, 'subgroupId'> | Pick<BeginTagRequest, 'memberId'>;
type Fields = Partial<Omit<BeginCreateGroupRequest, 'operationId'>>;

/**
 * The service, with the whole organisation's group, on a database of one test file's own; and what tests do and ask again and again.
 *
 * @param name a word that tells whose database it is
 */
export async function openTestGroup(name: string) {
  const scratch = scratchDatabase(`group_${name}`);
  const db = await openStore(scratch);
  const service = groupHandlers(db);
  await service.ensureRoot({}, call);
  const any = { expectedVersion: undefined };
  const begin = {
    create: async (fields: Fields = {}, { of }: Job = job()) => {
      const groupId = randomUUID();
      const given = { groupId, parentId: ROOT, name: unique('Group'), description: '', tags: [], ...fields };
      await service.beginCreateGroup({ visibility: 'VISIBILITY_OPEN', ...given, operationId: of('begin') }, call);
      return given;
    },
    rename: (groupId: string, name: string, { of }: Job = job()) =>
      service.beginUpdateGroup(
        { operationId: of('begin'), groupId, name, description: undefined, visibility: undefined, ...any },
        call,
      ),
    move: (groupId: string, parentId: string, { of }: Job = job()) =>
      service.beginMoveGroup({ operationId: of('begin'), groupId, parentId, ...any }, call),
    archive: (groupId: string, { of }: Job = job()) =>
      service.beginArchiveGroup({ operationId: of('begin'), groupId, ...any }, call),
    restore: (groupId: string, { of }: Job = job()) =>
      service.beginRestoreGroup({ operationId: of('begin'), groupId, ...any }, call),
    tags: (groupId: string, change: TagsChange, tag: string, { name, merge = false }: Renamed = {}, { of }: Job = job()) =>
      service.beginChangeTags({ operationId: of('begin'), groupId, change, tag, name, merge }, call),
    tag: (groupId: string, tag: string, carrier: Carrier, isOn = true, { of }: Job = job()) =>
      service.beginTag(
        { operationId: of('begin'), groupId, tag, isOn, subgroupId: undefined, memberId: undefined, ...carrier },
        call,
      ),
    delete: (groupId: string, { of }: Job = job(), cascade = true) =>
      service.beginDeleteGroup({ operationId: of('begin'), groupId, cascade, ...any }, call),
  };
  const commit = (groupId: string, { of }: Job) => service.commitGroup({ operationId: of('commit'), groupId }, call);
  const closeMember = (memberId: string, { of }: Job = job()) =>
    service.closeMember({ operationId: of('close'), memberId }, call);
  const leaveAll = (memberId: string, { of }: Job = job()) =>
    service.leaveAllGroups({ operationId: of('leave'), memberId }, call);
  return {
    db,
    service,
    begin,
    commit,
    closeMember,
    leaveAll,
    /** What a deletion of a member does here. */
    closeAndLeave: async (memberId: string, at: Job = job()) => {
      await closeMember(memberId, at);
      return await leaveAll(memberId, at);
    },
    /** Makes a group, in the whole organisation if not said otherwise. @returns its ID */
    createGroup: async (fields: Fields = {}, at: Job = job()): Promise<string> => {
      const { groupId } = await begin.create(fields, at);
      await commit(groupId, at);
      return groupId;
    },
    groupOf: async (groupId: string) => (await readGroups(db, { ids: [groupId], begun: true }))[0],
    membershipOf: async (groupId: string, memberId: string) =>
      (await readMemberships(db, { ids: [`${groupId}.${memberId}`], begun: true }))[0],
    /** Has members be in a group, by no job. */
    putMembers: (groupId: string, memberIds: readonly string[]) =>
      db.query(sql`insert into memberships (group_id, member_id, joined_at, version)
        select ${groupId}, unnest(${[...memberIds]}::text[]), now(), 1`),
    eventsOf: async (id: string): Promise<string[]> => {
      const rows = await db.query<{ type: string; version: number }>(
        sql`select type, version from outbox where aggregateid = ${id} order by version`,
      );
      return rows.map(({ type, version }) => `${type} ${version}`);
    },
    /** The group that it was in before, and whether everybody found it, as the last event of a group says. */
    leftOf: async (groupId: string) => {
      const [row] = await db.query<{ payload: { leftParentId?: string; wasFindable?: boolean } }>(
        sql`select payload from outbox where aggregateid = ${groupId} order by version desc limit 1`,
      );
      return [row?.payload.leftParentId, row?.payload.wasFindable];
    },
    undo: (operationId: string) => service.undo({ operationId }, call),
    close: (): Promise<void> => scratch.drop(),
  };
}
