import { z } from 'zod';
import { countedBy, type Erased, type Erasure, type Requested } from '#platform/erasure.ts';
import { topicOf } from '#platform/outbox/event.ts';
import { type Database, type Query, sql } from '#platform/postgres/database.ts';
import type { Logger } from '#platform/process/log.ts';
import { bindings } from './projections/bindings.ts';
import { memberRoles } from './projections/member-roles.ts';
import { members } from './projections/members.ts';
import { memberships } from './projections/memberships.ts';
import { roomMembers } from './projections/room-members.ts';
import { toTheEnd } from './tidy.ts';

/** Where it is told for ever which members are to be erased. */
export const ERASURES_TOPIC = topicOf('erasure');
/** For so long a look at that topic serves, ms: the pages of one list. */
const LOOK_MS = 300_000;

/** The read models of which each row is a member's: under its ID, or under that of a group or room and its own. */
const OF_MEMBERS = { members, member_roles: memberRoles };
const OF_MEMBERS_IN_OTHERS = { memberships, bindings, room_members: roomMembers };
/** Of the two IDs with a dot or a slash between. */
const memberOf = (id: string): string => id.slice(id.search(/[./]/) + 1);

/** How many messages are changed at once. */
const MESSAGES_AT_ONCE = 5_000;

/**
 * Takes members out of messages, as who said them and who reacted. Whether a text stays, Chat's own events say. Its rows: the `memberId` of
 * each, once for each message.
 */
export const leftOutOfMessages = (memberIds: readonly string[]): Query => {
  const those = sql`${[...memberIds]}::text[]`;
  return sql`
    with found as (
      select id, people from messages where gone_at is null and people && ${those} limit ${MESSAGES_AT_ONCE} for update),
    changed as (
      update messages m set
        member_id = case when m.member_id = any(${those}) then '' else m.member_id end,
        people = array(select one from unnest(m.people) one where one <> all(${those})),
        reactions = (
          select coalesce(jsonb_agg(reaction || jsonb_build_object('memberIds', left_in) order by place), '[]')
          from jsonb_array_elements(m.reactions) with ordinality as r (reaction, place), lateral (
            select jsonb_agg(one order by nth) as left_in
            from jsonb_array_elements_text(reaction -> 'memberIds') with ordinality as o (one, nth) where one <> all(${those})) rest
          where left_in is not null)
      from found where m.id = found.id)
    select one as "memberId" from found, unnest(people) one where one = any(${those})`;
};

/** What Kafka knows of deleted members. */
interface InKafka {
  /** All who are to be erased: what was told of each, as JSON. */
  told(): Promise<ReadonlyMap<string, string>>;
  /** Forgets what was parked of these members' events. @returns the member of each */
  forgetParked(memberIds: readonly string[]): Promise<string[]>;
}

const requested = z.object({ memberId: z.string().min(1), proof: z.string() });
const byId = (a: Requested, b: Requested): number => (a.memberId < b.memberId ? -1 : 1);

/** What was not written by Auth is passed over: it has no proof. */
function parsed(text: string): Requested[] {
  try {
    return [requested.parse(JSON.parse(text))];
  } catch {
    return [];
  }
}

/** Kafka is not restored with the stores, so it knows of those that were deleted after the copy was made. It is read as a whole. */
function pagesOf(told: InKafka['told']): NonNullable<Erasure['list']> {
  let look: { all: readonly Requested[]; until: number } | undefined;
  return async (after, limit) => {
    if (after === '' || !look || performance.now() > look.until)
      look = { all: [...(await told()).values()].flatMap(parsed).sort(byId), until: performance.now() + LOOK_MS };
    return look.all.filter(({ memberId }) => memberId > after).slice(0, limit);
  };
}

/**
 * How Query erases deleted members. Their events do so already, but a restored copy has not heard of them, and an event that could not
 * be read is parked as it was.
 */
export const queryErasure = (db: Database, { told, forgetParked }: InKafka, log: Logger): Erasure => ({
  list: pagesOf(told),
  async erase(memberIds) {
    const erased: Erased[] = [];
    for (const [place, { erase }] of Object.entries(OF_MEMBERS)) {
      const back = await db.query<{ id: string }>(erase(sql`id = any(${[...memberIds]}::text[])`));
      const members = back.map(({ id }) => id);
      erased.push(...countedBy(place, members));
    }
    for (const [place, { erase }] of Object.entries(OF_MEMBERS_IN_OTHERS)) {
      const back = await db.query<{ id: string }>(erase(sql`member_id = any(${[...memberIds]}::text[])`));
      const members = back.map(({ id }) => memberOf(id));
      erased.push(...countedBy(place, members));
    }
    const left = await toTheEnd<{ memberId: string }>(db, leftOutOfMessages(memberIds));
    erased.push(
      ...countedBy(
        'messages',
        left.map(({ memberId }) => memberId),
      ),
    );
    try {
      return { erased: [...erased, ...countedBy('dead_letters', await forgetParked(memberIds))] };
    } catch (error) {
      log.warn({ err: error }, 'dead letters of deleted members could not be looked for; the next call tries it again');
      return { erased, pending: memberIds };
    }
  },
});
