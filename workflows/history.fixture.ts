import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import proto from '@temporalio/proto';
import type { CommandName } from './commands.ts';

const { History } = proto.temporal.api.history.v1;
export type History = proto.temporal.api.history.v1.IHistory;

/** Where the history of a saga's branch is kept. */
export function historyFile(command: CommandName, branch: string): string {
  return join(import.meta.dirname, 'histories', command, `${branch}.json`);
}

/** One event a line, so that a change can be read in a diff. */
export function writeHistory(file: string, history: History): void {
  const { events } = History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String });
  writeFileSync(file, `{"events":[\n${(events as unknown[]).map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`);
}

export function readHistory(file: string): History {
  return History.fromObject(JSON.parse(readFileSync(file, 'utf8')));
}
