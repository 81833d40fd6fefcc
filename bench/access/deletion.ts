import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, login, type Registered, register } from '../../test/client.ts';
import { Socket } from '../../test/socket.ts';
import { round } from '../measure.ts';
import type { Pivots } from './pivots.ts';
import type { WallClock } from './wall.ts';

const ROUNDS = 20;
const IN_FLIGHT = 200;
/** Others that work meanwhile, one command after the other each. */
const OTHERS = 4;
/** How long they work before each deletion. */
const CALM_MS = 1_000;

const AIMS = { deletedMs: 5_000, ratio: 2 };

/** What came of it. */
export interface Deletion {
  rows: [string, string, string][];
  missed: string[];
}

/** What the changes are held against that were under way. */
interface Judging {
  pivots: Pivots;
  wall: WallClock;
}

/** A member with 200 changes of itself under way is deleted; others go on with their commands before it and meanwhile. */
export async function deleteUnderLoad(admin: Client, judging: Judging): Promise<Deletion> {
  const others = await Promise.all(
    Array.from({ length: OTHERS }, async () => {
      const one = await register(admin, 'other');
      return { ...one, client: await login(one.loginId, one.password) };
    }),
  );
  const before: number[] = [];
  const meanwhile: number[] = [];
  const rounds: Deleted[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const victim = await register(admin, 'victim');
    await whileOthersWork(others, before, () => sleep(CALM_MS));
    const deletion = await whileOthersWork(others, meanwhile, () => deletedAmidChanges(admin, victim));
    rounds.push(deletion);
    // Before others work undisturbed again.
    deletion.late = await lateOf(deletion, admin, judging);
  }
  const [calm, loaded] = [median(before), median(meanwhile)];
  const slowest = Math.max(...rounds.map(({ tookMs }) => tookMs));
  const late = rounds.flatMap(({ late }) => late);
  const missed = [
    ...late.map((jobId) => `late pivot: job ${jobId} of a member that was deleted before`),
    ...rounds.flatMap(({ closed }) => (closed === 4403 ? [] : [`not closed: the socket of a deleted member (${closed})`])),
    ...(slowest > AIMS.deletedMs ? [`a member was deleted after ${round(slowest)} ms only`] : []),
    ...(loaded > AIMS.ratio * calm ? [`the p50 of others went from ${round(calm)} to ${round(loaded)} ms`] : []),
  ];
  const answers = Map.groupBy(
    rounds.flatMap((one) => one.answers),
    (answer) => answer,
  );
  return {
    missed,
    rows: [
      [
        `answers to ${IN_FLIGHT} updates, ${ROUNDS} times`,
        [...answers].map(([answer, all]) => `${all.length} × ${answer}`).join(', '),
        '',
      ],
      ['pivots passed after the acknowledgement', String(late.length), '0'],
      ['deleted within, slowest, ms', round(slowest), `≤ ${AIMS.deletedMs}`],
      ["others' commands before and meanwhile", `${before.length}, ${meanwhile.length}`, ''],
      ['their p50 before, ms', round(calm), ''],
      ['their p50 meanwhile ÷ before', (loaded / calm).toFixed(2), `≤ ${AIMS.ratio}`],
    ],
  };
}

/** A deletion, and what came of the changes that were under way. */
interface Deleted {
  acknowledged: number;
  tookMs: number;
  answers: string[];
  jobIds: string[];
  /** The code that the member's socket was closed with; undefined: it was not. */
  closed: number | undefined;
  /** Jobs that passed their pivots after the acknowledgement. */
  late: string[];
}

async function deletedAmidChanges(admin: Client, { memberId, loginId, password }: Registered): Promise<Deleted> {
  const self = await login(loginId, password);
  const socket = await Socket.open(self.token);
  const path = `/v1/members/${memberId}`;
  const jobIds: string[] = [];
  const changes = Array.from({ length: IN_FLIGHT }, async (_, i) => {
    const { status, body } = await self.patch(path, { displayName: `name ${i}` });
    if (status !== 202) return `${status} ${body.code}`;
    jobIds.push(body.jobId);
    return '202';
  });
  // Some are accepted then, and most are in flight.
  await Promise.race(changes);
  const begun = performance.now();
  const { status, body } = await admin.delete(path, { prefer: 'wait=60' });
  const acknowledged = performance.now();
  if (status !== 204) throw new Error(`not deleted: ${status} ${JSON.stringify(body)}`);
  const answers = await Promise.all(changes);
  const closed = await socket.closeCode(1).catch(() => undefined);
  return { acknowledged, tookMs: acknowledged - begun, answers, jobIds, closed, late: [] };
}

async function lateOf({ acknowledged, jobIds }: Deleted, admin: Client, { pivots, wall }: Judging): Promise<string[]> {
  const late: string[] = [];
  for (const jobId of jobIds) {
    const { state } = await admin.finished(jobId);
    const passed = await pivots.of(jobId, state === 'completed');
    if (passed !== undefined && wall.earliest(passed) > acknowledged) late.push(jobId);
  }
  return late;
}

async function whileOthersWork<T>(
  others: readonly (Registered & { client: Client })[],
  times: number[],
  work: () => Promise<T>,
): Promise<T> {
  let isDone = false;
  const lanes = others.map(async ({ memberId, client }) => {
    for (let i = 0; !isDone; i++) {
      const begun = performance.now();
      const change = { displayName: `name ${i}` };
      const { status, body } = await client.patch(`/v1/members/${memberId}`, change, { prefer: 'wait=60' });
      if (status !== 200) throw new Error(`not changed: ${status} ${JSON.stringify(body)}`);
      times.push(performance.now() - begun);
    }
  });
  const worked = work().finally(() => {
    isDone = true;
  });
  await Promise.all([...lanes, worked]);
  return await worked;
}

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)] ?? Number.NaN;
