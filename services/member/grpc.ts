import type { Handlers } from '#platform/grpc/server.ts';
import { undoOperation } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres.ts';
import type { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { activateMember } from './commands/activate-member.ts';
import { beginDelete, undoBeginDelete } from './commands/begin-delete.ts';
import { beginUpdate, undoBeginUpdate } from './commands/begin-update.ts';
import { closeMember, undoCloseMember } from './commands/close-member.ts';
import { commitUpdate, undoCommitUpdate } from './commands/commit-update.ts';
import { createMember, undoCreateMember } from './commands/create-member.ts';
import { deleteMember, undoDeleteMember } from './commands/delete-member.ts';

/** Of every step that a saga may take back. */
const UNDOS = {
  'create-member': undoCreateMember,
  'begin-update': undoBeginUpdate,
  'commit-update': undoCommitUpdate,
  'close-member': undoCloseMember,
  'begin-delete': undoBeginDelete,
  'delete-member': undoDeleteMember,
};

/** musubi.member.v1.MemberService over the service's database. */
export function memberHandlers(db: Database): Handlers<typeof MemberServiceService> {
  return {
    createMember: (request) => createMember(db, request),
    activateMember: (request) => activateMember(db, request),
    beginUpdate: ({ operationId, memberId, changes, expectedVersion }) =>
      beginUpdate(db, { operationId, memberId, changes: changes ?? {}, expectedVersion }),
    commitUpdate: (request) => commitUpdate(db, request),
    closeMember: ({ operationId, memberId, expectedVersion }) => closeMember(db, { operationId, memberId, expectedVersion }),
    beginDelete: ({ operationId, memberId, expectedVersion }) => beginDelete(db, { operationId, memberId, expectedVersion }),
    deleteMember: (request) => deleteMember(db, request),
    undo: async ({ operationId }) => {
      await undoOperation(db, operationId, UNDOS);
      return {};
    },
  };
}
