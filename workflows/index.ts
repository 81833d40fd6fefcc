// What the workers run. A workflow's type is its command's name, so a command is added by one line here and one in commands.ts.
export { deleteMember as 'member.delete' } from './delete-member.ts';
export { recover as 'saga.recover' } from './recover.ts';
export { registerMember as 'member.register' } from './register-member.ts';
export { updateMember as 'member.update' } from './update-member.ts';
