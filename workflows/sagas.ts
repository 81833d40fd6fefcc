// Every saga by its command's name, which is its workflow's type: a command is added by one line here.

export { acceptInvitation as 'group.accept-invitation' } from './accept-invitation.ts';
export { addMember as 'group.add-member' } from './add-member.ts';
export { addMembers as 'group.add-members' } from './add-members.ts';
export { approveRequest as 'group.approve-request' } from './approve-request.ts';
export { archiveGroup as 'group.archive' } from './archive-group.ts';
export { assignRole as 'role.assign' } from './assign-role.ts';
export { attachPolicy as 'role.attach-policy' } from './attach-policy.ts';
export { bindPosition as 'position.bind' } from './bind-position.ts';
export { changePassword as 'auth.change-password' } from './change-password.ts';
export { changeTags as 'group.change-tags' } from './change-tags.ts';
export { createGroup as 'group.create' } from './create-group.ts';
export { createPolicy as 'policy.create' } from './create-policy.ts';
export { createPosition as 'position.create' } from './create-position.ts';
export { createRole as 'role.create' } from './create-role.ts';
export { declineRequest as 'group.decline-request' } from './decline-request.ts';
export { deleteGroup as 'group.delete' } from './delete-group.ts';
export { deleteMember as 'member.delete' } from './delete-member.ts';
export { deletePolicy as 'policy.delete' } from './delete-policy.ts';
export { deletePosition as 'position.delete' } from './delete-position.ts';
export { deleteRole as 'role.delete' } from './delete-role.ts';
export { detachPolicy as 'role.detach-policy' } from './detach-policy.ts';
export {
  declineInvitation as 'group.decline-invitation',
  expireInvitation as 'group.expire-invitation',
  withdrawInvitation as 'group.withdraw-invitation',
} from './end-invitation.ts';
export { endTerm as 'position.end-term' } from './end-term.ts';
export { expelMember as 'group.expel-member' } from './expel-member.ts';
export { inviteMember as 'group.invite' } from './invite-member.ts';
export { leaveGroup as 'group.leave' } from './leave-group.ts';
export { moveGroup as 'group.move' } from './move-group.ts';
export { registerMember as 'member.register' } from './register-member.ts';
export { reinstateMember as 'member.reinstate' } from './reinstate-member.ts';
export { releaseLogin as 'member.release-login' } from './release-login.ts';
export { requestJoin as 'group.request-join' } from './request-join.ts';
export { restoreGroup as 'group.restore' } from './restore-group.ts';
export { revokeRole as 'role.revoke' } from './revoke-role.ts';
export { setSchema as 'member.set-schema' } from './set-schema.ts';
export { suspendMember as 'member.suspend' } from './suspend-member.ts';
export { tagGroup as 'group.tag' } from './tag-group.ts';
export { takeInMembers as 'group.take-in-members' } from './take-in-members.ts';
export { unbindPosition as 'position.unbind' } from './unbind-position.ts';
export { updateGroup as 'group.update' } from './update-group.ts';
export { updateMember as 'member.update' } from './update-member.ts';
export { updatePolicy as 'policy.update' } from './update-policy.ts';
export { updatePosition as 'position.update' } from './update-position.ts';
export { updateRole as 'role.update' } from './update-role.ts';
export { withdrawRequest as 'group.withdraw-request' } from './withdraw-request.ts';
