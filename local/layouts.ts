import { ROUNDS, TASKS } from '../programs.ts';

/** One of Musubi's own processes: `node main.ts PROGRAM,PROGRAM`. */
export interface MusubiProcess {
  name: string;
  programs: readonly string[];
  /** When it is stopped: all of one round side by side, the lowest first. */
  round: number;
}

/** How the programs are spread over processes: `few` for a machine with few cores, `each` as in large deployments. */
export const LAYOUTS = {
  few: [
    // Before `app`, whose services its sagas call; the gateway's own worker goes on.
    { name: 'worker', programs: ['worker'], round: 0 },
    { name: 'app', programs: ROUNDS.flat().filter((name) => name !== 'worker'), round: 1 },
  ],
  each: ROUNDS.flatMap((names, round) =>
    names.filter((name) => !TASKS.includes(name)).map((name) => ({ name, programs: [name], round })),
  ),
} satisfies Record<string, MusubiProcess[]>;

export type Layout = keyof typeof LAYOUTS;
