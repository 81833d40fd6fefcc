import { apply, type Command } from './model.ts';
import { refusals } from './refusals.ts';
import { linesOf, type State } from './state.ts';

/**
 * How a command ended: it was done, it was refused, or a service was away for too long: then nothing has happened. `unsure`: who asked was not answered, and
 * was refused when it asked again: what it had asked for may have been done by then, so that it sees the group no more.
 */
export type End = 'done' | 'away' | 'unsure' | (string & {});

export interface Ended {
  command: Command;
  end: End;
}

/** Of all orders that do not explain it, the one that comes nearest. */
export interface Nearest {
  /** Commands for which it has no room: they were done, and it does not allow them; or were refused, and it has no reason for that. */
  unexplained: Ended[];
  /** The groups as it makes them, and as they are, where that differs. */
  made: string[];
  found: string[];
}

/** Ends of what had begun and was undone: until then others may have met it, as it keeps a name, or is about to lead the group no more. */
const UNDONE: readonly End[] = ['away', 'unsure', 'LAST_LEADER', 'PERMISSION_REVOKED', 'EXCEEDS_OWN_PERMISSIONS'];

/** Whether who gives something was itself bound to a position meanwhile, or for another time: what it gives by those that it holds is refused then. */
const isOvertaken = ({ command, end }: Ended, others: readonly Ended[]): boolean =>
  end === 'PERMISSION_REVOKED' &&
  ['bind', 'redefine', 'move'].includes(command.kind) &&
  others.some((other) => other.command !== command && other.command.kind === 'bind' && other.command.memberId === command.by);

/**
 * Whether commands that ran at the same time can have been done one after the other, in some order: each that was done was allowed when it
 * was, each that was refused was so for a reason that there was at some time, be it something that was undone then, and what there is in the end is
 * what that order makes.
 */
export const isExplained = (before: State, ended: readonly Ended[], after: State): boolean =>
  nearest(before, ended, after) === undefined;

/** @returns undefined: it is explained */
export function nearest(before: State, ended: readonly Ended[], after: State): Nearest | undefined {
  const goal = linesOf(after);
  const goalText = goal.join('\n');
  const done = ended.filter(({ end }) => end === 'done' || end === 'unsure');
  const undone = ended.filter(({ end }) => UNDONE.includes(end));
  const isRefused = ({ end }: Ended): boolean => !['done', 'away', 'unsure'].includes(end);
  const bindings = [...done, ...undone];
  const refused = ended.filter((one) => isRefused(one) && !isOvertaken(one, bindings));
  const seen = new Set<string>();
  let best: Nearest | undefined;
  const note = (lines: readonly string[], unexplained: Ended[]): void => {
    const [made, found] = [lines.filter((line) => !goal.includes(line)), goal.filter((line) => !lines.includes(line))];
    const weight = (one: Nearest): number => one.unexplained.length + Math.max(one.made.length, one.found.length);
    const it = { unexplained, made, found };
    if (!best || weight(it) < weight(best)) best = it;
  };
  /** @param left those that are still to be done @param unexplained those of which no reason was found yet */
  const search = (state: State, left: readonly Ended[], unexplained: readonly Ended[]): boolean => {
    const isAllowed = ({ command }: Ended): boolean => refusals(state, command).length === 0;
    const begun = undone.filter(isAllowed).map(({ command }) => apply(state, command));
    const hasReason = (one: State, { command, end }: Ended): boolean => refusals(one, command).includes(end);
    const still = unexplained.filter((one) => !hasReason(state, one) && !begun.some((other) => hasReason(other, one)));
    const lines = linesOf(state);
    const reached = lines.join('\n');
    const missing = left.filter(({ end }) => end === 'done');
    if (missing.length === 0 && still.length === 0 && reached === goalText) return true;
    const key = [reached, ...[left, still].map((some) => some.map((one) => ended.indexOf(one)).join())].join('\n\n');
    if (seen.has(key)) return false;
    seen.add(key);
    const next = left.filter(isAllowed);
    const without = (one: Ended): Ended[] => left.filter((other) => other !== one);
    if (next.some((one) => search(apply(state, one.command), without(one), still))) return true;
    if (next.length === 0 || missing.length === 0) note(lines, [...missing, ...still]);
    return false;
  };
  return search(before, done, refused) ? undefined : best;
}
