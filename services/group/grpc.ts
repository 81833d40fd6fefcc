import type { Handlers } from '#platform/grpc/server.ts';
import { serveSteps } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { GroupServiceService } from '#proto/musubi/group/v1/group.ts';
import { ensureRoot } from './rpcs/ensure-root.ts';
import { getAdditionSums } from './rpcs/get-addition-sums.ts';
import { giveUpGroups } from './rpcs/give-up-groups.ts';
import { listAdditions } from './rpcs/list-additions.ts';
import { listDueTerms } from './rpcs/list-due-terms.ts';
import { stopAdditions } from './rpcs/stop-additions.ts';
import { addCreator } from './steps/add-creator.ts';
import { beginAddMembers, commitAdditions, countAdditions, holdAdditions, sumUpAdditions } from './steps/add-members.ts';
import { beginArchiveGroup } from './steps/begin-archive-group.ts';
import { beginChangeMembership } from './steps/begin-change-membership.ts';
import { beginChangeTags } from './steps/begin-change-tags.ts';
import { beginCreateGroup } from './steps/begin-create-group.ts';
import { beginDeleteGroup } from './steps/begin-delete-group.ts';
import { beginMoveGroup } from './steps/begin-move-group.ts';
import { beginRestoreGroup } from './steps/begin-restore-group.ts';
import { beginTag } from './steps/begin-tag.ts';
import { beginUpdateGroup } from './steps/begin-update-group.ts';
import { closeGroup } from './steps/close-group.ts';
import { closeMember } from './steps/close-member.ts';
import { commitGroup } from './steps/commit-group.ts';
import { commitMembership } from './steps/commit-membership.ts';
import { commitTag } from './steps/commit-tag.ts';
import { countDoomed } from './steps/count-doomed.ts';
import { enterOrganisation } from './steps/enter-organisation.ts';
import { holdGroup, releaseGroup } from './steps/hold-group.ts';
import { leaveAllGroups } from './steps/leave-all-groups.ts';
import { listInside } from './steps/list-inside.ts';
import { purgeGroups } from './steps/purge-groups.ts';
import { purgeMemberships } from './steps/purge-memberships.ts';
import { enterMembers, noteTakenIn } from './steps/take-in.ts';

const STEPS = {
  beginCreateGroup,
  addCreator,
  beginUpdateGroup,
  closeGroup,
  beginMoveGroup,
  beginArchiveGroup,
  beginRestoreGroup,
  beginDeleteGroup,
  beginChangeTags,
  commitGroup,
  holdGroup,
  releaseGroup,
  listInside,
  countDoomed,
  purgeMemberships,
  purgeGroups,
  beginChangeMembership,
  commitMembership,
  beginTag,
  commitTag,
  beginAddMembers,
  countAdditions,
  holdAdditions,
  commitAdditions,
  sumUpAdditions,
  enterOrganisation,
  closeMember,
  leaveAllGroups,
  enterMembers,
  noteTakenIn,
};

/** Bytes: the largest request is a list of all members that one command adds. */
export const GROUP_LIMITS = { 'grpc.max_receive_message_length': 524_288 };

/** musubi.group.v1.GroupService over the service's database. */
export function groupHandlers(db: Database): Handlers<GroupServiceService> {
  return {
    ...serveSteps<GroupServiceService>(db, STEPS),
    ensureRoot: () => ensureRoot(db),
    giveUpGroups: (request) => giveUpGroups(db, request),
    listDueTerms: (request) => listDueTerms(db, request),
    listAdditions: (request) => listAdditions(db, request),
    getAdditionSums: (request) => getAdditionSums(db, request),
    stopAdditions: (request) => stopAdditions(db, request),
  };
}
