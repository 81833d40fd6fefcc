// What the workers run. A workflow's type is its command's name, so a command is added by one line here.
export { deleteMember as 'member.delete' } from './delete-member.ts';
export { registerMember as 'member.register' } from './register-member.ts';
export { updateMember as 'member.update' } from './update-member.ts';
