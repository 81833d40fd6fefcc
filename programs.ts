import { SERVICES } from './services/catalogue.ts';

/** What clients come in by. */
const DOORS: readonly string[] = ['gateway', 'websocket', 'bootstrap'];

/**
 * What a process can be made of, in rounds of its stop: doors, then what works by itself, then what both call. Those of one
 * round stop side by side.
 */
export const ROUNDS: readonly (readonly string[])[] = [
  DOORS,
  ['worker', 'relay'],
  Object.keys(SERVICES).filter((name) => !DOORS.includes(name)),
];

/** The programs among them that end when they are done; the others serve until they are stopped. */
export const TASKS: readonly string[] = ['bootstrap'];
