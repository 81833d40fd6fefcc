import type { Database } from '#platform/postgres/database.ts';
import { sql } from '#platform/postgres/database.ts';
import { scratchDatabase } from '../../test/scratch-database.ts';
import { memberHandlers } from './grpc.ts';
import { openStore } from './store.ts';

/** The service on a database of one test file's own. */
export interface TestMember {
  db: Database;
  service: ReturnType<typeof memberHandlers>;
  /** The row as it is; undefined: there is none. */
  rowOf(memberId: string): Promise<Record<string, unknown> | undefined>;
  close(): Promise<void>;
}

/** What a call brings, in time enough for any test. */
export const call = { signal: new AbortController().signal, deadline: new Date(Date.now() + 600_000) };

/** @param name a word that tells whose database it is */
export async function openTestMember(name: string): Promise<TestMember> {
  const scratch = scratchDatabase(`member_${name}`);
  const db = await openStore(scratch);
  return {
    db,
    service: memberHandlers(db),
    rowOf: async (memberId) =>
      (await db.query<Record<string, unknown>>(sql`select * from members where member_id = ${memberId}`))[0],
    close: () => scratch.drop(),
  };
}
