// Sagas that only others run, as child workflows of the same job, by the type of their workflow.
export { unassignHolders as 'role.unassign-holders' } from './unassign-holders.ts';
