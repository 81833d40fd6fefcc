// Every saga by its command's name, which is its workflow's type: a command is added by one line here.

export { assignRole as 'role.assign' } from './assign-role.ts';
export { attachPolicy as 'role.attach-policy' } from './attach-policy.ts';
export { bindPosition as 'position.bind' } from './bind-position.ts';
export { changePassword as 'auth.change-password' } from './change-password.ts';
export { createPolicy as 'policy.create' } from './create-policy.ts';
export { createPosition as 'position.create' } from './create-position.ts';
export { createRole as 'role.create' } from './create-role.ts';
export { deleteMember as 'member.delete' } from './delete-member.ts';
export { deletePolicy as 'policy.delete' } from './delete-policy.ts';
export { deletePosition as 'position.delete' } from './delete-position.ts';
export { deleteRole as 'role.delete' } from './delete-role.ts';
export { detachPolicy as 'role.detach-policy' } from './detach-policy.ts';
export { registerMember as 'member.register' } from './register-member.ts';
export { reinstateMember as 'member.reinstate' } from './reinstate-member.ts';
export { releaseLogin as 'member.release-login' } from './release-login.ts';
export { revokeRole as 'role.revoke' } from './revoke-role.ts';
export { setSchema as 'member.set-schema' } from './set-schema.ts';
export { suspendMember as 'member.suspend' } from './suspend-member.ts';
export { unbindPosition as 'position.unbind' } from './unbind-position.ts';
export { updateMember as 'member.update' } from './update-member.ts';
export { updatePolicy as 'policy.update' } from './update-policy.ts';
export { updatePosition as 'position.update' } from './update-position.ts';
export { updateRole as 'role.update' } from './update-role.ts';
