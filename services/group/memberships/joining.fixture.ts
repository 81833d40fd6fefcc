import { randomUUID } from 'node:crypto';
import type { BeginChangeMembershipRequest, MembershipChange } from '#proto/musubi/group/v1/group.ts';
import { call, job, type openTestGroup } from '../group.fixture.ts';

// How tests have members ask, be invited, come in and go.

export type What = MembershipChange extends infer Change
  ? Change extends `MEMBERSHIP_CHANGE_${infer Word}`
    ? Word
    : never
  : never;
type Asked = Partial<Omit<BeginChangeMembershipRequest, 'change'>>;

export const inMs = (ms: number): string => new Date(Date.now() + ms).toISOString();
/** What is said of an invitation. */
export const invitation = (ms = 3_600_000) => ({ inviterId: randomUUID(), until: inMs(ms) });

export function joiningOf({ service, createGroup }: Pick<Awaited<ReturnType<typeof openTestGroup>>, 'service' | 'createGroup'>) {
  const change = (what: What, groupId: string, memberId: string, asked: Asked = {}, { of } = job()) =>
    service.beginChangeMembership(
      { operationId: of('begin'), groupId, memberId, reason: '', change: `MEMBERSHIP_CHANGE_${what}`, ...asked },
      call,
    );
  return {
    change,
    /** Begun and committed. */
    async done(what: What, groupId: string, memberId: string, asked: Asked = {}): Promise<void> {
      const at = job();
      await change(what, groupId, memberId, asked, at);
      await service.commitMembership({ operationId: at.of('commit') }, call);
    },
    onRequest: () => createGroup({ visibility: 'VISIBILITY_REQUEST' }),
  };
}
