import type { Store } from '../store.ts';

/**
 * Whether a member may be renamed now, before a job is begun for it. RebindLogin says it again, in its transaction.
 *
 * @throws RENAMED_TOO_OFTEN with the time to wait. A member that is not there is for the job to tell
 */
export async function checkRename({ members, heldLogins }: Store, memberId: string): Promise<void> {
  const member = await members.findOne({ _id: memberId }, { projection: { renamesFullAt: 1 } });
  heldLogins.takeRename(member?.renamesFullAt);
}
