import { finish, pivot, saga } from './saga.ts';
import { services } from './step.ts';

const { auth, member } = services;

export interface UpdateMemberInput {
  memberId: string;
  /** A merge patch: absent fields stay as they are, and what is null is removed. */
  changes: {
    loginId?: string;
    displayName?: string;
    email?: string;
    locale?: string | null;
    timeZone?: string | null;
    attributes?: Record<string, unknown> | null;
  };
  /** The version the caller saw (If-Match); absent: any. */
  expectedVersion?: number;
}

const ofMember = (memberId: string) => ({ memberId });

/** Changes a member, and its login with it, or neither. */
export const updateMember = saga(
  'member.update',
  [
    [
      member.beginUpdate,
      pivot(auth.rebindLogin),
      // Without a new login it is the pivot: once it is done, it only repeats its answer.
      pivot(finish(member.commitUpdate, ofMember)),
    ],
    [
      member.beginUpdate,
      pivot(auth.rebindLogin),
      // Without a new login.
      pivot(auth.confirmPermit),
      finish(member.commitUpdate, ofMember),
    ],
  ],
  async ({ step, since }, { memberId, changes, expectedVersion }: UpdateMemberInput) => {
    const { locale, timeZone, ...others } = changes;
    const { loginId } = others;
    const { loginChanges } = await step(member.beginUpdate, {
      memberId,
      changes: { ...others, locale: removedIfNull(locale), timeZone: removedIfNull(timeZone) },
      expectedVersion,
    });
    if (loginChanges && loginId !== undefined) await step(auth.rebindLogin, { memberId, loginId });
    else if (since(2)) await step(auth.confirmPermit, {});
    await step(member.commitUpdate, { memberId });
    return { id: memberId };
  },
);

/** As the contract has it: empty is removed. */
const removedIfNull = (value: string | null | undefined): string | undefined => (value === null ? '' : value);
