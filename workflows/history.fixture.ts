import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import proto from '@temporalio/proto';
import { ENGINE_VERSION } from './carried.ts';
import * as workflows from './replayed.fixture.ts';

const { History } = proto.temporal.api.history.v1;
export type History = proto.temporal.api.history.v1.IHistory;

const FOLDER = join(import.meta.dirname, 'histories');
/** The type of any workflow. */
export type WorkflowName = keyof typeof workflows;
/** Their newest versions. What is no saga has had only one. */
export const VERSIONS = new Map(
  Object.entries(workflows).map(([name, workflow]) => [name, 'version' in workflow ? workflow.version : 1]),
);

/** Where the history of a saga's branch is kept. @param version, engine default: those of now; older ones stay beside them */
export function historyFile(
  command: WorkflowName,
  branch: string,
  version = VERSIONS.get(command),
  engine = ENGINE_VERSION,
): string {
  return join(FOLDER, `saga@${engine}`, command, `${branch}.v${version}.json`);
}

/** The name of every history that is kept, of every version: `saga@1/member.update/done.v1`. */
export function historyNames(): string[] {
  return readdirSync(FOLDER, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.json'))
    .map((file) => file.slice(0, -'.json'.length))
    .sort();
}

export const historyNamed = (name: string): History => readHistory(join(FOLDER, `${name}.json`));

/** One event a line, so that a change can be read in a diff. */
export function writeHistory(file: string, history: History): void {
  const { events } = History.toObject(History.fromObject(history), { longs: String, enums: String, bytes: String });
  writeFileSync(file, `{"events":[\n${(events as unknown[]).map((event) => JSON.stringify(event)).join(',\n')}\n]}\n`);
}

function readHistory(file: string): History {
  return History.fromObject(JSON.parse(readFileSync(file, 'utf8')));
}
