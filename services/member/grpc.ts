import type { Handlers } from '#platform/grpc/server.ts';
import { serveSteps } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { activateMember } from './steps/activate-member.ts';
import { beginDelete } from './steps/begin-delete.ts';
import { beginUpdate } from './steps/begin-update.ts';
import { closeMember } from './steps/close-member.ts';
import { commitUpdate } from './steps/commit-update.ts';
import { createMember } from './steps/create-member.ts';
import { deleteMember } from './steps/delete-member.ts';
import { countMembers, listPart } from './steps/go-over-members.ts';
import { beginReinstate, reinstateMember } from './steps/reinstate-member.ts';
import { beginSetSchema, commitSchema } from './steps/set-schema.ts';
import { beginSuspend, suspendMember } from './steps/suspend-member.ts';

/** musubi.member.v1.MemberService over the service's database. */
export function memberHandlers(db: Database): Handlers<MemberServiceService> {
  return serveSteps<MemberServiceService>(db, {
    createMember,
    activateMember,
    beginUpdate,
    commitUpdate,
    closeMember,
    beginDelete,
    deleteMember,
    beginSuspend,
    suspendMember,
    beginReinstate,
    reinstateMember,
    beginSetSchema,
    commitSchema,
    countMembers,
    listPart,
  });
}
