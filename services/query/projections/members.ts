import { z } from 'zod';
import { sql } from '#platform/postgres.ts';
import { foldText } from '../domain.ts';
import { type AggregateState, defineProjection, parsePayload, payloadOf, someOf } from './projection.ts';

/** Fields with their default value are absent in proto3 JSON. */
const text = z.string().default('');
const time = z.iso.datetime({ offset: true });

const memberPayload = payloadOf({
  member: z
    .object({
      memberId: z.string(),
      loginId: text,
      displayName: text,
      email: text,
      status: z.enum(['MEMBER_STATUS_PENDING', 'MEMBER_STATUS_ACTIVE', 'MEMBER_STATUS_UPDATING', 'MEMBER_STATUS_DELETING']),
      createdAt: time,
      updatedAt: time,
    })
    .optional(),
}).refine(({ memberId, member }) => member === undefined || member.memberId === memberId, 'tells of two members');

interface MemberState extends AggregateState {
  member: z.output<typeof memberPayload>['member'];
}

/** member.events → members. A member that is PENDING is kept, but not shown; of one that is gone only the version stays. */
export const members = defineProjection<MemberState>({
  aggregateType: 'member',

  parse(event) {
    const { memberId, version, member } = parsePayload(memberPayload, event);
    return { id: memberId, version, member };
  },

  upsert(states) {
    const rows = states.map(({ id, version, member: m }) => ({
      id,
      version,
      gone: m === undefined,
      visible: m !== undefined && m.status !== 'MEMBER_STATUS_PENDING',
      login: m?.loginId,
      name: m?.displayName,
      email: m?.email,
      search: m && foldText([m.displayName, m.loginId, m.email].join('\n')),
      created: m?.createdAt,
      updated: m?.updatedAt,
    }));
    const column = <K extends keyof (typeof rows)[number]>(key: K) => rows.map((row) => row[key]);
    return sql`
      insert into members (member_id, version, visible, deleted_at, login_id, display_name, email, search, created_at, updated_at)
      select id, version, visible, case when gone then now() end, login, name, email, search, created, updated
      from unnest(${column('id')}::text[], ${column('version')}::bigint[], ${column('visible')}::boolean[], ${column('gone')}::boolean[],
        ${column('login')}::text[], ${column('name')}::text[], ${column('email')}::text[], ${column('search')}::text[],
        ${column('created')}::timestamptz[], ${column('updated')}::timestamptz[])
        as t (id, version, visible, gone, login, name, email, search, created, updated)
      on conflict (member_id) do update set version = excluded.version, visible = excluded.visible, deleted_at = excluded.deleted_at,
        login_id = excluded.login_id, display_name = excluded.display_name, email = excluded.email, search = excluded.search,
        created_at = excluded.created_at, updated_at = excluded.updated_at
      where excluded.version > members.version`;
  },

  versionOf: (id) => sql`select version from members where member_id = ${id}`,

  copies: (which) => sql`select member_id as id, version, deleted_at is not null as deleted from members ${someOf(which)}`,

  prune: (age) => sql`delete from members where deleted_at < now() - ${age}::interval`,
});
