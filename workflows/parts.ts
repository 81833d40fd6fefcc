// Sagas that only others run, as child workflows of the same job, by the type of their workflow.

export { addPart as 'group.add-part', addParts as 'group.add-parts' } from './add-members.ts';
export { purgeGroup as 'group.purge', purgePart as 'group.purge-part' } from './purge-group.ts';
export { takeInPart as 'group.take-in-part', takeInParts as 'group.take-in-parts' } from './take-in-members.ts';
export { unassignHolders as 'role.unassign-holders' } from './unassign-holders.ts';
