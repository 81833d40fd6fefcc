import { z } from 'zod';
import type { Lookalike } from '#proto/musubi/query/v1/query.ts';
import { pageOf, pageSchema, paging } from '../http/paging.ts';
import { route } from '../http/route.ts';
import { EXAMPLE_ID } from '../id.ts';
import { memberSchema, shownTo } from './member-view.ts';

const EXAMPLE_NAMES = { id: EXAMPLE_ID, loginId: 'hanako', displayName: '花子' };

const lookalikeSchema = z
  .strictObject({
    ...memberSchema.shape,
    lookalikeOf: z
      .array(z.strictObject({ id: z.uuid(), loginId: z.string(), displayName: z.string() }))
      .meta({ description: 'Whose names its own look like, 10 at most' }),
  })
  .meta({
    id: 'Lookalike',
    examples: (memberSchema.meta()?.examples ?? [])
      .slice(1)
      .map((member) => ({ ...(member as object), lookalikeOf: [EXAMPLE_NAMES] })),
  });

const listLookalikes = route({
  method: 'GET',
  path: '/v1/member-lookalikes',
  tag: 'Members',
  operationId: 'listMemberLookalikes',
  summary: 'List the members whose names look like those of others, by name',
  description:
    "Display names that are written otherwise and look alike (UTS #39), logins that do, and display names that look like another's login. Such names are not refused: people are called as they are.",
  action: 'member.list-lookalikes',
  resource: () => ({ type: 'Member', id: '' }),
  query: paging,
  responses: { 200: { description: 'A page of members', schema: pageSchema(lookalikeSchema, 'LookalikePage') } },
  problems: ['PAGE_TOKEN_INVALID'],
  async handle({ principal: { memberId }, accessToken, query: { pageSize, pageToken = '' } }, gateway) {
    const { lookalikes, nextPageToken } = await gateway.query.listLookalikes({ pageSize, pageToken, memberId });
    const shown = await shownTo(
      accessToken,
      gateway,
      lookalikes.flatMap(({ member }) => member ?? []),
    );
    const items = shown.map((member, index) => ({ ...member, lookalikeOf: namesOf(lookalikes[index]) }));
    return pageOf(items, nextPageToken);
  },
});

const namesOf = (lookalike: Lookalike | undefined) =>
  (lookalike?.looksLike ?? []).map(({ memberId: id, loginId, displayName }) => ({ id, loginId, displayName }));

export const lookalikeRoutes = [listLookalikes];
