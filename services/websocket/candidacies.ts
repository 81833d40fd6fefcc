import type { MembershipEvent, Tie } from '#proto/musubi/group/v1/group.ts';
import { groupTopic } from './domain.ts';
import type { OwnSaying } from './member-events.ts';
import type { Saying } from './topic-store.ts';

// What becomes of it that a member asks to be let into a group, or is invited: told to those who may read the lists of these in the group, and to
// the member itself, wherever it is.

/** By what somebody is a candidate. */
type Kind = 'request' | 'invitation';

const KINDS: Partial<Record<Tie, Kind>> = { TIE_REQUESTED: 'request', TIE_DECLINED: 'request', TIE_INVITED: 'invitation' };
const LISTED = { request: 'requests', invitation: 'invitations' } as const;
/** What its own lists of these take. */
const OWN_LIST = { request: 'member.list-requests', invitation: 'member.list-invitations' } as const;

function tieOf({ membership, request, invitation }: MembershipEvent): Tie {
  if (membership) return 'TIE_MEMBER';
  if (invitation) return 'TIE_INVITED';
  if (!request) return 'TIE_UNSPECIFIED';
  return request.declinedAt ? 'TIE_DECLINED' : 'TIE_REQUESTED';
}

/** What was and is of a membership; of what has not changed, the same twice. */
const changeOf = (event: MembershipEvent): { was: Tie; is: Tie } => ({ was: event.was, is: tieOf(event) });

/** What those hear who may read the lists in the group: who is in them, and who is no more. */
export function candidateSayings(event: MembershipEvent): Saying[] {
  const { groupId, memberId } = event;
  // Of whom it was decided is in no list.
  const kindOf = (tie: Tie): Kind | undefined => (tie === 'TIE_DECLINED' ? undefined : KINDS[tie]);
  const { was, is } = changeOf(event);
  const [before, after] = [kindOf(was), kindOf(is)];
  const saying = (of: Kind, change: 'made' | 'ended'): Saying => ({
    topic: groupTopic(groupId),
    type: 'candidate',
    fields: { change, of, groupId, memberId },
    whom: LISTED[of],
    of: memberId,
  });
  return [...(before && before !== after ? [saying(before, 'ended')] : []), ...(after ? [saying(after, 'made')] : [])];
}

/** What the member itself hears. */
export function ownSayings(event: MembershipEvent): OwnSaying[] {
  const { groupId } = event;
  const { was, is } = changeOf(event);
  const [before, after] = [KINDS[was], KINDS[is]];
  const saying = (of: Kind, change: 'made' | 'declined' | 'admitted' | 'ended'): OwnSaying => ({
    type: 'candidacy',
    fields: { change, of, groupId },
    needs: OWN_LIST[of],
  });
  const ended = before && before !== after ? [saying(before, is === 'TIE_MEMBER' ? 'admitted' : 'ended')] : [];
  // One that was declined is told once: what is told again does not say what it was.
  if (is === 'TIE_DECLINED') return was === 'TIE_REQUESTED' ? [saying('request', 'declined')] : ended;
  return [...ended, ...(after ? [saying(after, 'made')] : [])];
}
