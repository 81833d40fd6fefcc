// Every saga by its command's name, which is its workflow's type: a command is added by one line here.

export { archiveGroup as 'group.archive' } from './archive-group.ts';
export { assignRole as 'role.assign' } from './assign-role.ts';
export { attachPolicy as 'role.attach-policy' } from './attach-policy.ts';
export { changePassword as 'auth.change-password' } from './change-password.ts';
export { createGroup as 'group.create' } from './create-group.ts';
export { createPolicy as 'policy.create' } from './create-policy.ts';
export { createRole as 'role.create' } from './create-role.ts';
export { deleteGroup as 'group.delete' } from './delete-group.ts';
export { deleteMember as 'member.delete' } from './delete-member.ts';
export { deletePolicy as 'policy.delete' } from './delete-policy.ts';
export { deleteRole as 'role.delete' } from './delete-role.ts';
export { detachPolicy as 'role.detach-policy' } from './detach-policy.ts';
export { moveGroup as 'group.move' } from './move-group.ts';
export { registerMember as 'member.register' } from './register-member.ts';
export { reinstateMember as 'member.reinstate' } from './reinstate-member.ts';
export { releaseLogin as 'member.release-login' } from './release-login.ts';
export { restoreGroup as 'group.restore' } from './restore-group.ts';
export { revokeRole as 'role.revoke' } from './revoke-role.ts';
export { setSchema as 'member.set-schema' } from './set-schema.ts';
export { suspendMember as 'member.suspend' } from './suspend-member.ts';
export { updateGroup as 'group.update' } from './update-group.ts';
export { updateMember as 'member.update' } from './update-member.ts';
export { updatePolicy as 'policy.update' } from './update-policy.ts';
export { updateRole as 'role.update' } from './update-role.ts';
