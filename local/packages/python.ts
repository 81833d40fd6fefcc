import { reasonOf } from '#platform/errors.ts';
import { type RunOptions, run } from '../run-command.ts';

let interpreter: Promise<string> | undefined;

/**
 * The path of the Python interpreter itself. The `python3` on the PATH may be a version manager's script, which does work of its own
 * after each run of pip: pyenv's fails when two run side by side, though pip has done what it was asked.
 */
function python(): Promise<string> {
  interpreter ??= run('python3', ['-c', 'import sys; print(sys.executable)']).then((path) => path.trim() || 'python3');
  return interpreter;
}

/**
 * Runs a program in Python that fetches something.
 *
 * @param what it fetches, as people call it
 * @throws with what was not fetched, why, and what to do
 */
export async function fetchByPython(what: string, args: string[], options: RunOptions): Promise<void> {
  try {
    await run(await python(), args, options);
  } catch (error) {
    const remedy = 'Run npm start again when that is mended: what else was fetched is kept.';
    throw new Error(`${what} could not be fetched: ${reasonOf(error)}\n${remedy}`, { cause: error });
  }
}
