import type { Details } from './details.ts';
import type { Failure } from './failure.ts';
import type { HistoryLength } from './history.ts';
import { reportCompensating, reportProgress } from './job.ts';
import type { Place } from './progress.ts';
import { operationsOf, type ToUndo } from './records.ts';
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

/** Items that are undone at the same time. */
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
  for (const undo of undos.toReversed()) {
    const { service } = undo;
    const words = `undo "${undo.words}"`;
    const operationIds = operationsOf(undo);
    const many = operationIds.length > 1 ? `, for ${operationIds.length}` : '';
    if (!isTold) await reportCompensating(why ? `${how}: ${why.error.code}` : first, { done, total, step: words }, error);
    isTold = true;
    await details.row(`${words}${many}`, async () => {
      while (operationIds.length > 0) {
        const chunk = operationIds.splice(-AT_ONCE).reverse();
        const place = { done, total, step: words };
        await Promise.all(
          chunk.map((operationId, at) => {
            const call = { operationId, progress: { ...place, done: done + at }, compensating: error };
            return mustStep(details, { service, name: 'undo' }, call, undefined);
          }),
        );
        done += chunk.length;
        length.add(chunk.length);
        const report = () => reportProgress({ ...place, done }, error);
        if (many && (await length.isLong(report))) await goOn({ ...undoing, done });
      }
    });
  }
  details.say(`${said}\n\n${undos.length === 0 ? 'Nothing was to be undone.' : 'All of it is undone.'}`);
  return done;
}
