// Every saga by its command's name, which is its workflow's type: a command is added by one line here.
export { deleteMember as 'member.delete' } from './delete-member.ts';
export { registerMember as 'member.register' } from './register-member.ts';
export { reinstateMember as 'member.reinstate' } from './reinstate-member.ts';
export { suspendMember as 'member.suspend' } from './suspend-member.ts';
export { updateMember as 'member.update' } from './update-member.ts';
