import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

// An empty service, made as CONTRIBUTING.md says: for what a further service costs, in files and in memory.

/** @returns the files of the service's own folder, by name */
function ownFiles(name: string, Name: string): Record<string, string> {
  return {
    'main.ts': `
import type { App } from '#platform/process/program.ts';
import { ${Name}ServiceService } from '#proto/musubi/${name}/v1/${name}.ts';
import { serve } from '../serve.ts';
import type { Config } from './config.ts';
import { handlers } from './grpc.ts';
import { state } from './state.ts';
import { openStore } from './store.ts';

export { shape } from './config.ts';

export async function start(app: App<Config>): Promise<void> {
  const { config, log, lifecycle } = app;
  const db = await openStore({ url: config.MUSUBI_POSTGRES_URL, log, lifecycle });
  await serve(app, ${Name}ServiceService, handlers(db), state(db));
}
`,
    'config.ts': `
import type { z } from 'zod';
import { grpcShape } from '#platform/grpc/config.ts';
import { postgresUrl } from '#platform/process/config.ts';

export const shape = { MUSUBI_POSTGRES_URL: postgresUrl(), ...grpcShape };

export type Config = z.output<z.ZodObject<typeof shape>>;
`,
    'grpc.ts': `
import type { Handlers } from '#platform/grpc/server.ts';
import { serveSteps } from '#platform/operations/postgres.ts';
import type { Database } from '#platform/postgres/database.ts';
import type { ${Name}ServiceService } from '#proto/musubi/${name}/v1/${name}.ts';

export const handlers = (db: Database): Handlers<${Name}ServiceService> => serveSteps<${Name}ServiceService>(db, {});
`,
    'state.ts': `
import type { Served } from '#platform/grpc/server.ts';
import type { Database } from '#platform/postgres/database.ts';
import { serveState } from '#platform/state.ts';
import { read } from './store.ts';

export const state = (db: Database): Served =>
  serveState({
    ${name}: {
      read: async (which) =>
        (await read(db, which)).map(({ id, version }) => ({
          aggregateType: '${name}',
          aggregateId: id,
          version,
          type: '${name}.created',
          payload: {},
        })),
    },
  });
`,
    'store.ts': `
import type { Secret } from '#platform/process/config.ts';
import type { Lifecycle } from '#platform/process/lifecycle.ts';
import type { Logger } from '#platform/process/log.ts';
import { type Database, openDatabase, sql } from '#platform/postgres/database.ts';
import type { Which } from '#platform/state.ts';

export const openStore = (o: { url: Secret; log: Logger; lifecycle: Lifecycle }): Promise<Database> =>
  openDatabase({ database: 'musubi_${name}', ...o, migrations: new URL('./migrations/', import.meta.url) });

export const read = (db: Database, which: Which) =>
  db.query<{ id: string; version: number }>(
    'ids' in which
      ? sql\`select id, version from ${name}s where id = any(\${[...which.ids]}::text[]) order by id\`
      : sql\`select id, version from ${name}s where id > \${which.after} order by id limit \${which.limit}\`,
  );
`,
    [`migrations/0001-${name}s.sql`]: `create table ${name}s (id text collate "C" primary key, version bigint not null);\n`,
  };
}

const contract = (name: string, Name: string): string => `syntax = "proto3";

package musubi.${name}.v1;

import "musubi/operation/v1/operation.proto";

// Nothing yet.
service ${Name}Service {
  rpc Undo(musubi.operation.v1.UndoRequest) returns (musubi.operation.v1.UndoResponse);
  rpc GetOperation(musubi.operation.v1.GetOperationRequest) returns (musubi.operation.v1.GetOperationResponse);
  rpc ListOperations(musubi.operation.v1.ListOperationsRequest) returns (musubi.operation.v1.ListOperationsResponse);
}
`;

/**
 * Adds an empty service that sagas may call, tells its events from PostgreSQL, and its present state.
 *
 * @param folder a copy of the checkout
 * @returns the files outside of the service's folder that were made or changed
 */
export function addService(folder: string, name: string): string[] {
  const Name = name.replace(/^./, (first) => first.toUpperCase());
  const write = (file: string, text: string): void => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), text.trimStart());
  };
  for (const [file, text] of Object.entries(ownFiles(name, Name))) write(`services/${name}/${file}`, text);

  const proto = `proto/musubi/${name}/v1/${name}.proto`;
  write(proto, contract(name, Name));
  const catalogue = 'services/catalogue.ts';
  const before = readFileSync(join(folder, catalogue), 'utf8');
  const entry = `  ${name}: { contract: ${Name}ServiceService, outbox: 'postgres', tells: ['${name}'] },\n`;
  write(
    catalogue,
    `import { ${Name}ServiceService } from '#proto/musubi/${name}/v1/${name}.ts';\n${before.replace('} as const satisfies', `${entry}} as const satisfies`)}`,
  );
  const readme = 'README.md';
  appendFileSync(join(folder, readme), `\n\`${name}\` is a program at \`MUSUBI_${name.toUpperCase()}_ADDRESS\`.\n`);
  return [proto, catalogue, readme];
}

/** Makes again what follows from the contract. */
export function generate(folder: string): void {
  execFileSync('npm', ['run', '--silent', 'generate'], { cwd: folder, stdio: 'pipe' });
}
