// What the workers run.
export { recover as 'saga.recover' } from './recover.ts';
export * from './sagas.ts';
