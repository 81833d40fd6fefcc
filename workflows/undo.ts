import type { Details } from './details.ts';
import type { Failure } from './failure.ts';
import type { HistoryLength } from './history.ts';
import { reportCompensating, reportProgress } from './job.ts';
import type { Place } from './progress.ts';
import type { ToUndo } from './records.ts';
import { mustStep } from './step.ts';

/** How far a run is in undoing. */
export interface Undoing {
  /** null: it was cancelled. */
  why: Failure | null;
  /** In words: `refused at "bind login"`. */
  how: string;
  done: number;
  total: number;
  /** Operations that were tried, of which services know nothing: they may yet arrive. */
  unsure: readonly string[];
  /** The step that was begun last before. */
  last: Place | undefined;
}

/** Items that are undone at the same time: of each its last step that is not undone yet. */
const AT_ONCE = 25;

/**
 * Takes back what was done, the last first, and tells of it.
 *
 * @param goOn goes on in a new run: called where the history is long, and never returns
 * @returns how many operations are undone
 */
export async function undo(
  undos: ToUndo[],
  undoing: Undoing,
  details: Details,
  length: HistoryLength,
  goOn: (undoing: Undoing) => Promise<never>,
): Promise<number> {
  const { why, how, total } = undoing;
  const error = why?.error ?? null;
  const [first = ''] = how.split(' ');
  const said = `${first.charAt(0).toUpperCase()}${first.slice(1)}${why ? `: ${why.forOperators}` : '.'}`;
  details.say(`${said}\n\n${undos.length === 0 ? 'Nothing is to be undone.' : 'It is being undone.'}`);
  let { done } = undoing;
  let isTold = false;
  for (const { words, items } of undos.toReversed()) {
    const step = `undo "${words}"`;
    if (!isTold) await reportCompensating(why ? `${how}: ${why.error.code}` : first, { done, total, step }, error);
    isTold = true;
    await details.row(items.length > 1 ? `${step}, for ${items.length}` : step, async () => {
      let left = items.map((item) => [...item]);
      while (left.length > 0) {
        const round = left.slice(-AT_ONCE).reverse();
        const operations = round.flatMap((item) => item.pop() ?? []);
        await Promise.all(
          operations.map(({ service, words, operationId }, at) => {
            const progress = { done: done + at, total, step: `undo "${words}"` };
            return mustStep(details, { service, name: 'undo' }, { operationId, progress, compensating: error }, undefined);
          }),
        );
        left = left.filter((item) => item.length > 0);
        done += operations.length;
        length.add(operations.length);
        if (await length.isLong(() => reportProgress({ done, total, step }, error))) await goOn({ ...undoing, done });
      }
    });
  }
  details.say(`${said}\n\n${undos.length === 0 ? 'Nothing was to be undone.' : 'All of it is undone.'}`);
  return done;
}
