import type { Served } from '#platform/grpc/server.ts';
import { addEvents } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import { serveState, type Told } from '#platform/state.ts';
import { NO_TIES } from './domain.ts';
import {
  groupDeleted,
  groupEvent,
  membershipEvent,
  membershipId,
  ofMembershipId,
  writtenGroup,
  writtenMembership,
} from './events.ts';
import { raiseMemberships, readMemberships, tellMemberships } from './memberships/memberships.ts';
import { raiseGroups, readGroups } from './store.ts';
import { findDeleted } from './tree/tree.ts';

/** What Group says of its present state: groups, and what members are to them. */
export function groupState(db: Database): Served {
  const groups: Told = {
    read: async (which) => {
      const there = (await readGroups(db, which)).map((group) => ({
        ...groupEvent('group.updated', group),
        changing: group.lockHolder !== null,
      }));
      // Of those that are asked for it is told whether they are gone.
      const gone = 'ids' in which ? await findDeleted(db, which.ids) : [];
      return [
        ...there,
        ...gone.map(({ groupId, version, changing }) => ({ ...groupDeleted(groupId, version), deleted: true, changing })),
      ];
    },
    raise: (seen) =>
      db.transaction(async (tx) => {
        const { raised, there } = await raiseGroups(tx, seen);
        const gone = seen.filter(({ id }) => !there.has(id)).map(({ id, version }) => groupDeleted(id, version + 1));
        const events = [...(await readGroups(tx, { ids: raised })).map((group) => groupEvent('group.updated', group)), ...gone];
        await addEvents(tx, events);
        return events.map(({ aggregateId, version }) => writtenGroup(aggregateId, version));
      }),
  };
  const memberships: Told = {
    read: async (which) =>
      (await readMemberships(db, which)).map((one) => ({ ...membershipEvent(one), changing: one.lockHolder !== null })),
    raise: (seen) =>
      db.transaction(async (tx) => {
        const raised = await raiseMemberships(tx, seen);
        const there = new Set((await readMemberships(tx, { ids: seen.map(({ id }) => id) })).map(membershipId));
        const gone = seen
          .filter(({ id }) => !there.has(id))
          .map(({ id, version }) => ({ ...ofMembershipId(id), version: version + 1, ...NO_TIES }));
        await tellMemberships(tx, [...raised, ...gone]);
        return [...raised, ...gone].map(writtenMembership);
      }),
  };
  return serveState({ group: groups, membership: memberships });
}
