// Every saga by its command's name, which is its workflow's type: a command is added by one line here.

export { addMember as 'group.add-member' } from './add-member.ts';
export { assignRole as 'role.assign' } from './assign-role.ts';
export { attachPolicy as 'role.attach-policy' } from './attach-policy.ts';
export { changePassword as 'auth.change-password' } from './change-password.ts';
export { createPolicy as 'policy.create' } from './create-policy.ts';
export { createRole as 'role.create' } from './create-role.ts';
export { deleteMember as 'member.delete' } from './delete-member.ts';
export { deletePolicy as 'policy.delete' } from './delete-policy.ts';
export { deleteRole as 'role.delete' } from './delete-role.ts';
export { detachPolicy as 'role.detach-policy' } from './detach-policy.ts';
export { expelMember as 'group.expel-member' } from './expel-member.ts';
export { leaveGroup as 'group.leave' } from './leave-group.ts';
export { registerMember as 'member.register' } from './register-member.ts';
export { reinstateMember as 'member.reinstate' } from './reinstate-member.ts';
export { releaseLogin as 'member.release-login' } from './release-login.ts';
export { revokeRole as 'role.revoke' } from './revoke-role.ts';
export { setSchema as 'member.set-schema' } from './set-schema.ts';
export { suspendMember as 'member.suspend' } from './suspend-member.ts';
export { takeInMembers as 'group.take-in-members' } from './take-in-members.ts';
export { updateMember as 'member.update' } from './update-member.ts';
export { updatePolicy as 'policy.update' } from './update-policy.ts';
export { updateRole as 'role.update' } from './update-role.ts';
