import { z } from 'zod';
import { sql } from '#platform/postgres.ts';
import { type AggregateState, defineProjection, parsePayload, payloadOf, someOf } from './projection.ts';

const memberRolesPayload = payloadOf({ roleIds: z.array(z.string().min(1)).default([]) });

interface MemberRolesState extends AggregateState {
  roleIds: string[];
}

/** member-roles.events → member_roles. May come before the member itself, or after it is gone. */
export const memberRoles = defineProjection<MemberRolesState>({
  aggregateType: 'member-roles',

  parse(event) {
    const { memberId, version, roleIds } = parsePayload(memberRolesPayload, event);
    return { id: memberId, version, roleIds };
  },

  upsert(states) {
    // unnest would flatten arrays of arrays, so these travel as JSON.
    const rows = states.map(({ id, version, roleIds }) => ({ id, version, roles: [...roleIds].sort() }));
    return sql`
      insert into member_roles (member_id, version, role_ids)
      select id, version, roles from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as t (id text, version bigint, roles text[])
      on conflict (member_id) do update set version = excluded.version, role_ids = excluded.role_ids, applied_at = now()
      where excluded.version > member_roles.version`;
  },

  versionOf: (id) => sql`select version from member_roles where member_id = ${id}`,

  copies: (which) => sql`select member_id as id, version, role_ids = '{}' as deleted from member_roles ${someOf(which)}`,

  // A member that is still there may have no roles for long, and get some later: its row is kept.
  prune: (age) => sql`
    delete from member_roles r where role_ids = '{}' and applied_at < now() - ${age}::interval
      and not exists (select from members m where m.member_id = r.member_id)`,
});
