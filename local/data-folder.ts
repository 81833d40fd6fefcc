import { access, constants, mkdir, readdir, realpath, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** What every data folder of ours holds as soon as it has been used. */
const MARKS = ['secrets.json', 'pids.json'];

export interface DataFolder {
  path: string;
  /** For a start that was refused: leaves the disk as it was before. */
  undo(): Promise<void>;
}

/** Makes the folder, or makes sure that it is one of ours: `--fresh` empties it, so it must never be somebody's home. */
export async function openDataFolder(path: string): Promise<DataFolder> {
  const made = await mkdir(path, { recursive: true, mode: 0o700 }).catch(refuse(path, 'made'));
  await access(path, constants.R_OK | constants.W_OK | constants.X_OK).catch(refuse(path, 'used'));
  const folder = await realpath(path);
  const entries = await readdir(folder);
  if (entries.length > 0 && !entries.some((entry) => MARKS.includes(entry)))
    throw new Error(`${folder} holds something else than Musubi's data: give an empty folder`);
  const undo = async (): Promise<void> => {
    if (made) await rm(made, { recursive: true, force: true });
    else if (entries.length === 0) await emptyDataFolder(folder);
  };
  return { path: folder, undo };
}

/** What people can mend, by errno. */
const WHY: Partial<Record<string, string>> = {
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the disk is read-only',
  EEXIST: 'it is a file',
  ENOTDIR: 'a part of it is a file',
};

const refuse =
  (path: string, verb: 'made' | 'used') =>
  (error: NodeJS.ErrnoException): never => {
    const why = WHY[error.code ?? ''] ?? error.message;
    throw new Error(`the data folder ${path} cannot be ${verb} (${why}): give a folder that you may write, with --data`);
  };

export async function emptyDataFolder(folder: string): Promise<void> {
  for (const entry of await readdir(folder)) await rm(join(folder, entry), { recursive: true, force: true });
}

/** Each start writes new logs; those of the start before are kept beside them. */
export async function rotateLogs(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const file of await readdir(folder)) {
    if (!file.endsWith('.log') || file.endsWith('.previous.log')) continue;
    const path = join(folder, file);
    if ((await stat(path)).size > 0) await rename(path, path.replace(/\.log$/, '.previous.log'));
  }
}
