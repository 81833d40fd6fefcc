// What the workers run.
export * from './parts.ts';
export { recover as 'saga.recover' } from './recover.ts';
export * from './sagas.ts';
export { term } from './term.ts';
export {
  erasures as 'upkeep.erasures',
  reconcile as 'upkeep.reconcile',
  terms as 'upkeep.terms',
  unfinishedJobs as 'upkeep.unfinishedJobs',
} from './upkeep.ts';
