import { setTimeout as sleep } from 'node:timers/promises';
import type { OutboxEvent } from '#platform/outbox/event.ts';
import { GroupEvent, type GroupState, MembershipEvent, type Tie } from '#proto/musubi/group/v1/group.ts';
import { BindingsEvent, PositionEvent } from '#proto/musubi/position/v1/position.ts';
import type { TestClient } from './client.fixture.ts';
import type { ServerFrame } from './frames.ts';

// Events as Group and Position write them.

const AT = new Date(1_790_000_000_000);

const event = (type: string, aggregateId: string, version: number, payload: unknown): OutboxEvent => ({
  aggregateType: type.slice(0, type.indexOf('.')),
  aggregateId,
  version,
  type,
  payload,
});

/** @param change what has become of it. Gone: `left` says where it was, and whether everybody found it */
export function groupEvent(
  change: 'created' | 'updated' | 'moved' | 'archived' | 'restored' | 'deleted',
  groupId: string,
  version: number,
  { parentId = 'root', left, wasFindable = false }: { parentId?: string; left?: string; wasFindable?: boolean } = {},
): OutboxEvent {
  const times = { archivedAt: undefined, createdAt: AT, updatedAt: AT };
  const state: GroupState = {
    ...{ parentId, name: 'a name', description: 'a secret', visibility: 'VISIBILITY_OPEN', tags: [], tagIds: [], ...times },
  };
  const group = change === 'deleted' ? undefined : state;
  const payload = GroupEvent.toJSON({ groupId, version, group, leftParentId: left, wasFindable });
  return event(`group.${change}`, groupId, version, payload);
}

export function membershipEvent(groupId: string, memberId: string, version: number, reason?: string): OutboxEvent {
  const membership = reason === undefined ? { joinedAt: AT, tagIds: [] } : undefined;
  const expulsion = reason === undefined ? undefined : { expelledAt: AT, reason };
  const nothing = { request: undefined, invitation: undefined, was: 'TIE_UNSPECIFIED' as const };
  const payload = MembershipEvent.toJSON({ groupId, memberId, version, membership, expulsion, ...nothing });
  return event(membership ? 'membership.changed' : 'membership.ended', `${groupId}.${memberId}`, version, payload);
}

const CHANGES = {
  TIE_MEMBER: 'changed',
  TIE_REQUESTED: 'requested',
  TIE_DECLINED: 'settled',
  TIE_INVITED: 'invited',
  TIE_UNSPECIFIED: 'settled',
} as const;

/** That a member was one thing to a group, and is another. */
export function candidacyEvent(
  groupId: string,
  memberId: string,
  version: number,
  was: Tie,
  is: keyof typeof CHANGES,
): OutboxEvent {
  const asked = { requestedAt: AT, message: 'a secret', declineReason: 'a secret' };
  const payload = MembershipEvent.toJSON({
    ...{ groupId, memberId, version, was, expulsion: undefined },
    membership: is === 'TIE_MEMBER' ? { joinedAt: AT, tagIds: [] } : undefined,
    request:
      is === 'TIE_REQUESTED'
        ? { ...asked, declinedAt: undefined }
        : is === 'TIE_DECLINED'
          ? { ...asked, declinedAt: AT }
          : undefined,
    invitation: is === 'TIE_INVITED' ? { invitedAt: AT, inviterId: 'a secret', until: AT } : undefined,
  });
  return event(`membership.${CHANGES[is]}`, `${groupId}.${memberId}`, version, payload);
}

export function positionEvent(groupId: string, positionId: string, version: number): OutboxEvent {
  return event(
    'position.deleted',
    positionId,
    version,
    PositionEvent.toJSON({ positionId, version, position: undefined, groupId }),
  );
}

export function bindingsEvent(groupId: string, memberId: string, version: number): OutboxEvent {
  return event(
    'bindings.changed',
    `${groupId}.${memberId}`,
    version,
    BindingsEvent.toJSON({ groupId, memberId, version, bindings: [] }),
  );
}

export const topicOf = (groupId: string): string => `group:${groupId}`;

/** A round trip: what was sent before it has come. */
export async function settled(client: TestClient): Promise<void> {
  await sleep(150);
  const before = client.of('pong').length;
  client.send({ type: 'ping' });
  await client.count('pong', before + 1);
}

/** Subscribes from a cursor on. @returns the cursor where it begins */
export async function resume(client: TestClient, groupId: string, cursor: string | undefined): Promise<string | undefined> {
  const before = client.of('subscribed').length;
  const topic = topicOf(groupId);
  client.send({ type: 'subscribe', topics: [topic], ...(cursor ? { cursors: { [topic]: cursor } } : {}) });
  return (await client.count('subscribed', before + 1))[before]?.cursors[topic];
}

type Said = Extract<ServerFrame, { type: 'group' | 'membership' | 'position' | 'bindings' }> & { version?: number };

/** What a client was sent of groups. */
export const saidTo = (client: TestClient): Said[] =>
  client.frames.filter((frame): frame is Said => ['group', 'membership', 'position', 'bindings'].includes(frame.type));

/** The same in short: what, which change, the version; of a membership, which has none, whose it is. */
export const heardBy = (client: TestClient): string[] =>
  saidTo(client).map((frame) =>
    [frame.type, frame.change, frame.type === 'membership' ? frame.memberId : (frame.version ?? 'no version')].join(' '),
  );

/** Waits until a client was sent so much of groups. */
export const heard = (client: TestClient, count: number): Promise<void> => client.until(() => saidTo(client).length >= count);
