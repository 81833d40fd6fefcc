import type { Peer } from '#platform/grpc/client.ts';
import type {
  ActivateMemberRequest,
  BeginDeleteRequest,
  BeginUpdateRequest,
  CloseMemberRequest,
  CommitUpdateRequest,
  CreateMemberRequest,
  DeleteMemberRequest,
  MemberServiceService,
} from '#proto/musubi/member/v1/member.ts';
import type { Call, Given, StepCall } from './call.ts';

/** The Member service's steps. */
export function createMemberActivities(member: Peer<typeof MemberServiceService>, call: Call) {
  return {
    createMember: (step: StepCall, given: Given<CreateMemberRequest>) =>
      call(step, (options) => member.createMember({ ...given, operationId: step.operationId }, options)),
    activateMember: (step: StepCall, given: Given<ActivateMemberRequest>) =>
      call(step, (options) => member.activateMember({ ...given, operationId: step.operationId }, options)),
    beginUpdate: (step: StepCall, given: Given<BeginUpdateRequest>) =>
      call(step, (options) => member.beginUpdate({ ...given, operationId: step.operationId }, options)),
    commitUpdate: (step: StepCall, given: Given<CommitUpdateRequest>) =>
      call(step, (options) => member.commitUpdate({ ...given, operationId: step.operationId }, options)),
    closeMember: (step: StepCall, given: Given<CloseMemberRequest>) =>
      call(step, (options) => member.closeMember({ ...given, operationId: step.operationId }, options)),
    beginDelete: (step: StepCall, given: Given<BeginDeleteRequest>) =>
      call(step, (options) => member.beginDelete({ ...given, operationId: step.operationId }, options)),
    deleteMember: (step: StepCall, given: Given<DeleteMemberRequest>) =>
      call(step, (options) => member.deleteMember({ ...given, operationId: step.operationId }, options)),
    undo: (step: StepCall) => call(step, (options) => member.undo({ operationId: step.operationId }, options)),
  };
}
