import { z } from 'zod';
import { internal } from '#platform/errors.ts';
import type { Action } from '#proto/musubi/auth/v1/actions.ts';
import type { Expulsion, Invitation, JoinRequest } from '#proto/musubi/group/v1/group.ts';
import type { Candidacy, CandidacyView, Candidate } from '#proto/musubi/query/v1/query.ts';
import type { Reader } from '../../commands/route.ts';
import type { RequestGateway } from '../../gateway.ts';
import { requireAllowed, seenOrNone } from '../../http/authorize.ts';
import { pageSchema } from '../../http/paging.ts';
import type { Resource } from '../../http/route.ts';
import { EXAMPLE_ID } from '../../id.ts';
import { memberSchema, shownTo } from '../member-view.ts';
import { iso } from '../time.ts';

// How it is shown that a member has asked to be let into a group, is invited, or was put out: to the group, and to the member.

const AT = '2026-11-25T09:30:00.000Z';
const MESSAGE = 'I work on the same project';

/** Of which group, to its member. */
const ofGroup = {
  groupId: z.string(),
  groupName: z.string().optional().meta({ description: 'Absent: the group is not yours to see any more' }),
  memberId: z.uuid(),
};
const EXAMPLE_OF_GROUP = { groupId: EXAMPLE_ID, groupName: 'Kyoto office', memberId: '019ed1c7-2a4e-7c31-9f05-6b1d8e2a7c40' };

const requested = {
  message: z.string().optional().meta({ description: 'What the member says to those who decide; absent: nothing' }),
  requestedAt: z.iso.datetime(),
};
const invited = {
  inviterId: z.string().meta({ description: 'The member who invites' }),
  invitedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().meta({ description: 'Until when it can be accepted' }),
};
const EXAMPLE_INVITED = { inviterId: EXAMPLE_ID, invitedAt: AT, expiresAt: '2026-12-09T09:30:00.000Z' };

export const joinRequestSchema = z
  .strictObject({
    ...ofGroup,
    ...requested,
    state: z.enum(['pending', 'declined']).meta({ description: 'pending: nobody has decided' }),
    declinedAt: z.iso.datetime().optional(),
    reason: z.string().optional().meta({ description: 'Why it was declined; absent: nobody said' }),
  })
  .meta({ id: 'JoinRequest', examples: [{ ...EXAMPLE_OF_GROUP, message: MESSAGE, requestedAt: AT, state: 'pending' }] });

export const invitationSchema = z
  .strictObject({ ...ofGroup, ...invited })
  .meta({ id: 'Invitation', examples: [{ ...EXAMPLE_OF_GROUP, ...EXAMPLE_INVITED }] });

const expulsionSchema = z
  .strictObject({ ...ofGroup, reason: z.string(), expelledAt: z.iso.datetime() })
  .meta({ id: 'MemberExpulsion', examples: [{ ...EXAMPLE_OF_GROUP, reason: 'The project is over', expelledAt: AT }] });

const exampleMember = (memberSchema.meta()?.examples ?? []).slice(0, 1) as object[];
const requestingMemberSchema = z.strictObject({ ...memberSchema.shape, ...requested }).meta({
  id: 'RequestingMember',
  examples: exampleMember.map((one) => ({ ...one, message: MESSAGE, requestedAt: AT })),
});
const invitedMemberSchema = z
  .strictObject({ ...memberSchema.shape, ...invited })
  .meta({ id: 'InvitedMember', examples: exampleMember.map((one) => ({ ...one, ...EXAMPLE_INVITED })) });

export const joinRequestPageSchema = pageSchema(joinRequestSchema, 'JoinRequestPage');
export const invitationPageSchema = pageSchema(invitationSchema, 'InvitationPage');
export const expulsionPageSchema = pageSchema(expulsionSchema, 'MemberExpulsionPage');
export const requestingMemberPageSchema = pageSchema(requestingMemberSchema, 'RequestingMemberPage');
export const invitedMemberPageSchema = pageSchema(invitedMemberSchema, 'InvitedMemberPage');

const requestOf = ({ message, requestedAt }: JoinRequest) => ({
  ...(message ? { message } : {}),
  requestedAt: iso(requestedAt),
});
const invitationOf = ({ inviterId, invitedAt, until }: Invitation) => ({
  inviterId,
  invitedAt: iso(invitedAt),
  expiresAt: iso(until),
});
const groupOf = ({ groupId, groupName, memberId }: CandidacyView) => ({
  groupId,
  ...(groupName === undefined ? {} : { groupName }),
  memberId,
});

/** Query says of each what was asked for. */
function told<Told extends JoinRequest | Invitation | Expulsion>(one: Told | undefined): Told {
  if (!one) throw internal('INTERNAL', 'Query did not say what was asked for');
  return one;
}

export function joinRequestShown(view: CandidacyView): z.output<typeof joinRequestSchema> {
  const request = told(view.request);
  const { declinedAt, declineReason } = request;
  const declined = declinedAt ? { declinedAt: iso(declinedAt), ...(declineReason ? { reason: declineReason } : {}) } : {};
  return { ...groupOf(view), ...requestOf(request), state: declinedAt ? 'declined' : 'pending', ...declined };
}

export const invitationShown = (view: CandidacyView): z.output<typeof invitationSchema> => ({
  ...groupOf(view),
  ...invitationOf(told(view.invitation)),
});

export function expulsionShown(view: CandidacyView): z.output<typeof expulsionSchema> {
  const { reason, expelledAt } = told(view.expulsion);
  return { ...groupOf(view), reason, expelledAt: iso(expelledAt) };
}

/** Who has asked to be let into a group, as the member of the token sees them. */
export const requestingShown = (accessToken: string, gateway: RequestGateway, those: readonly Candidate[]) =>
  membersShown(accessToken, gateway, those, ({ request }) => requestOf(told(request)));

/** Who is invited to a group, as the member of the token sees them. */
export const invitedShown = (accessToken: string, gateway: RequestGateway, those: readonly Candidate[]) =>
  membersShown(accessToken, gateway, those, ({ invitation }) => invitationOf(told(invitation)));

async function membersShown<Ties extends object>(
  accessToken: string,
  gateway: RequestGateway,
  those: readonly Candidate[],
  tiesOf: (one: Candidate) => Ties,
): Promise<(z.output<typeof memberSchema> & Ties)[]> {
  const found = those.flatMap(({ member, ...ties }) => (member ? [{ member, ...ties }] : []));
  const members = await shownTo(
    accessToken,
    gateway,
    found.map(({ member }) => member),
  );
  return members.flatMap((member, at) => {
    const ties = found[at];
    return ties ? [{ ...member, ...tiesOf(ties) }] : [];
  });
}

/**
 * What a member is to a group by what was just done.
 *
 * @param needed what its reader needs, to see it in a list
 * @throws PERMISSION_DENIED
 */
export async function readCandidacy(
  gateway: RequestGateway,
  { groupId, memberId, candidacy }: { groupId: string; memberId: string; candidacy: Candidacy },
  reader: Reader,
  needed: { action: Action; resource: Resource },
): Promise<CandidacyView | undefined> {
  const [seen] = await Promise.all([
    seenOrNone(gateway, reader, 'group.list', 'Group'),
    requireAllowed(gateway, { accessToken: reader.accessToken, ...needed }),
  ]);
  const request = { groupId, memberId, candidacy, filter: '', orderBy: '', pageSize: 1, pageToken: '', seen };
  return (await gateway.query.listCandidacies(request)).candidacies[0];
}
