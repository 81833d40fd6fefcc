import { patched } from '@temporalio/workflow';
import type { Around } from './progress.ts';
import type { Undoing } from './undo.ts';
import type { Written } from './written.ts';

/**
 * The version of what all sagas share, gated like theirs: it grows when runs that go on would be led to other commands.
 * - 2: a workflow says its outcome as MusubiOutcome, and a refusal does not fail it
 * - 3: an operation's ID names the step's service, too
 * - 4: a run that was cancelled, or tried a step in vain, asks the services how far it was before it is undone
 */
export const ENGINE_VERSION = 4;

/** What a run is begun with: by the starter of the command only its permit, by the run before it or a saga that runs it the rest. */
export interface Carried {
  /** What allowed the command, for the pivot; absent: the system itself began it, or another saga runs this one. */
  permit: string;
  engine: number;
  version: number;
  /** What the parts that are done answered, by their names; of `each`, how many items are done. */
  answers: Record<string, unknown>;
  itemsDone: Record<string, number>;
  /** How many steps more than they declare the sagas had that were run, by their names. */
  grown: Record<string, number>;
  written: Written;
  tooLate: boolean;
  /** Set when it is being undone. */
  undoing: Undoing;
  /** Set where another saga runs this one. */
  around: Around;
}

/** The version that a run is of: the newest, unless it was begun before that. */
export function newestOf(name: string, newest: number): number {
  let version = newest;
  while (version > 1 && !patched(`${name}@${version}`)) version--;
  return version;
}
