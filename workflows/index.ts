// What the workers run.
export { recover as 'saga.recover' } from './recover.ts';
export * from './sagas.ts';
export { unfinishedJobs as 'upkeep.unfinishedJobs' } from './upkeep.ts';
