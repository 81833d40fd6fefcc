import { apply, type Command } from './model.ts';
import { refusals } from './refusals.ts';
import { linesOf, type State } from './state.ts';

/** How a command ended: it was done, it was refused, or a service was away for too long: then nothing has happened. */
export type End = 'done' | 'away' | (string & {});

export interface Ended {
  command: Command;
  end: End;
}

/**
 * Whether commands that ran at the same time can have been done one after the other, in some order: each that was done was allowed when it
 * was, each that was refused was so for a reason that there was at some time, and what there is in the end is what that order makes.
 * Until what was away is undone, it may be in the way of others.
 */
export function isExplained(before: State, ended: readonly Ended[], after: State): boolean {
  const goal = linesOf(after).join('\n');
  const done = ended.filter(({ end }) => end === 'done');
  const refused = ended.filter(({ end }) => end !== 'done' && end !== 'away');
  const undone = ended.filter(({ end }) => end === 'away').map(({ command }) => command);
  const whileThere = (state: State): State[] =>
    undone.filter((command) => refusals(state, command).length === 0).map((command) => apply(state, command));
  const seen = new Set<string>();
  /** @param left those that are still to be done @param unexplained those of which no reason was found yet */
  const search = (state: State, left: readonly Ended[], unexplained: readonly Ended[]): boolean => {
    const explains = ({ command, end }: Ended, at: State): boolean => refusals(at, command).includes(end);
    const still = unexplained.filter(
      (one) => !explains(one, state) && !whileThere(state).some((meanwhile) => explains(one, meanwhile)),
    );
    const reached = linesOf(state).join('\n');
    if (left.length === 0) return still.length === 0 && reached === goal;
    const key = [reached, ...[left, still].map((some) => some.map((one) => ended.indexOf(one)).join())].join('\n\n');
    if (seen.has(key)) return false;
    seen.add(key);
    return left.some(
      (one) =>
        refusals(state, one.command).length === 0 &&
        search(
          apply(state, one.command),
          left.filter((other) => other !== one),
          still,
        ),
    );
  };
  return search(before, done, refused);
}
