import { z } from 'zod';
import { groupTopic, OWN_TOPIC } from './domain.ts';
import { cursor, topic } from './frame-fields.ts';

// What is said in the topic of a group: that something has changed, and in which version it is to be had. What has become of it, a client
// reads by REST, as far as it may.

const GROUP_ID = '0199a7c1-22d4-7b6e-8f10-6c0e5a4b9d33';
const OTHER_ID = '0199a7c1-9a05-7e21-b3c4-51f2d8e67a90';
const TOPIC = groupTopic(GROUP_ID);
const CURSOR = '1790000000000-0';

const version = z.int().meta({
  description:
    'It grows with each change. Queries show this one, or a later one, when this comes: with it the ETag of a group or a position begins.',
});
const groupId = z.string().meta({ description: "The topic's group" });
const of = z.enum(['request', 'invitation']).meta({ description: 'That it has asked to be let in, or that it is invited' });

export const groupFrames = {
  group: z
    .strictObject({
      type: z.literal('group'),
      topic,
      cursor,
      change: z.enum(['created', 'updated', 'moved', 'archived', 'restored', 'deleted']),
      groupId: z
        .string()
        .optional()
        .meta({ description: "The topic's group, or one directly in it; absent: one that was directly in it, and is gone" }),
      version: version.optional(),
    })
    .meta({
      description:
        "The topic's group has changed, or (`updated` without a version) one that it is in was moved, archived or restored, so that it may be found elsewhere, or be archived; or one that is directly in it was made, moved in or out, or deleted, if you may read that one (`group.read`). Of one that is gone, and that everybody could find, you hear without its ID, unless you may not read such a group there. Who may not read the topic's group any more, as it is gone, gets `unsubscribed`.",
      examples: [
        { type: 'group', topic: TOPIC, cursor: CURSOR, change: 'updated', groupId: GROUP_ID, version: 4 },
        { type: 'group', topic: TOPIC, cursor: CURSOR, change: 'updated', groupId: GROUP_ID },
        { type: 'group', topic: TOPIC, cursor: CURSOR, change: 'created', groupId: OTHER_ID, version: 1 },
        { type: 'group', topic: TOPIC, cursor: CURSOR, change: 'deleted' },
      ],
    }),
  membership: z
    .strictObject({
      type: z.literal('membership'),
      topic,
      cursor,
      change: z.enum(['changed', 'ended']),
      groupId,
      memberId: z.string(),
    })
    .meta({
      description:
        'A member came into the group (`changed`) or is not in it any more (`ended`). For those who may see its members (`group.list-members`), and among them that one (`member.list`); and for the member itself.',
      examples: [
        {
          type: 'membership',
          topic: TOPIC,
          cursor: CURSOR,
          change: 'changed',
          groupId: GROUP_ID,
          memberId: OTHER_ID,
        },
      ],
    }),
  position: z
    .strictObject({
      type: z.literal('position'),
      topic,
      cursor,
      change: z.enum(['created', 'updated', 'deleted']),
      groupId,
      positionId: z.string(),
      version,
    })
    .meta({
      description: 'A position of the group has changed. For those who may see its positions (`position.list`).',
      examples: [
        {
          type: 'position',
          topic: TOPIC,
          cursor: CURSOR,
          change: 'updated',
          groupId: GROUP_ID,
          positionId: OTHER_ID,
          version: 2,
        },
      ],
    }),
  bindings: z
    .strictObject({
      type: z.literal('bindings'),
      topic,
      cursor,
      change: z.literal('changed'),
      groupId,
      memberId: z.string(),
      version,
    })
    .meta({
      description:
        'To which positions a member is bound in the group has changed. For those who may see its members (`group.list-members`), and among them that one (`member.list`); and for the member itself.',
      examples: [
        { type: 'bindings', topic: TOPIC, cursor: CURSOR, change: 'changed', groupId: GROUP_ID, memberId: OTHER_ID, version: 3 },
      ],
    }),
  candidate: z
    .strictObject({
      type: z.literal('candidate'),
      topic,
      cursor,
      change: z.enum(['made', 'ended']),
      of,
      groupId,
      memberId: z.string(),
    })
    .meta({
      description:
        'A member has asked to be let into the group, or was invited to it (`made`); or nothing of that is left to decide (`ended`), as it came in or not. For those who may read the list of these (`group.list-requests`, `group.list-invitations`), and in it that one (`member.list`).',
      examples: [
        {
          type: 'candidate',
          topic: TOPIC,
          cursor: CURSOR,
          change: 'made',
          of: 'request',
          groupId: GROUP_ID,
          memberId: OTHER_ID,
        },
      ],
    }),
  candidacy: z
    .strictObject({
      type: z.literal('candidacy'),
      topic,
      cursor: cursor.optional(),
      change: z.enum(['made', 'declined', 'admitted', 'ended']),
      of,
      groupId: z.string(),
    })
    .meta({
      description:
        'What has become of it that you asked to be let into a group, or were invited to one: you did or were (`made`), your request was declined, you came in by whichever way (`admitted`), or it is no more (`ended`). It comes to `member:me` as jobs do, if you may read your own list of these (`member.list-requests`, `member.list-invitations`).',
      examples: [{ type: 'candidacy', topic: OWN_TOPIC, cursor: CURSOR, change: 'made', of: 'invitation', groupId: GROUP_ID }],
    }),
};
