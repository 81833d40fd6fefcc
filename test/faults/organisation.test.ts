import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { admin, unique } from '../client.ts';
import { kill, processes, start } from '../control.ts';
import { actors, carryOut, renew } from '../organisation/actors.ts';
import { commandOf, drawRounds } from '../organisation/draw.ts';
import { type Ended, isExplained } from '../organisation/explain.ts';
import { linesOf } from '../organisation/model.ts';
import { readOrganisation } from '../organisation/stores.ts';

// Random commands on groups, who is in them and their positions, several at the same time, while processes are killed. After each round
// there is an order in which its commands explain all answers and what Group and Position have; and Auth and the read models have the same.
//
// MUSUBI_MODEL_COMMANDS=10000 MUSUBI_MODEL_SEED=7 npm test -- test/faults/organisation.test.ts

const COMMANDS = Number(process.env.MUSUBI_MODEL_COMMANDS || (process.env.MUSUBI_TEST_WHOLE ? 10_000 : 300));
const SEED = Number(process.env.MUSUBI_MODEL_SEED || randomInt(2 ** 31));
/** Every so many rounds a process is killed. */
const KILL_EVERY = 6;
const KILLED = ['worker', 'auth', 'group', 'position', 'query'];
const RENEW_MS = 120_000;
const AT_REST_MS = 20_000;

test('whatever is done to the organisation at the same time, amid faults, all stores agree with one order of it', async (t) => {
  t.log(`seed ${SEED}, ${COMMANDS} commands`);
  const names = processes().filter(({ programs }) => KILLED.some((name) => programs.includes(name)));
  const as = await admin();
  const all = await actors(as, 6, 3);
  const memberIds = all.map(({ memberId }) => memberId);
  const [first] = all;
  const made = await first?.client.post('/v1/groups', { name: unique('Organisation') }, { prefer: 'wait=30' });
  t.is(made?.status, 201);
  const topId = made?.body.id as string;
  const ids = [topId];
  let { state } = await readOrganisation(ids, memberIds);
  let renewed = Date.now();
  const ends = new Map<string, number>();

  for (const [at, drawn] of drawRounds(COMMANDS, SEED).entries()) {
    if (Date.now() - renewed > RENEW_MS) {
      await renew(all);
      renewed = Date.now();
    }
    const gone = ids.filter((id) => !state.groups.has(id));
    const commands = drawn.map((one) => commandOf(one, { state, topId, gone, actors: all }));
    const killed = at % KILL_EVERY === KILL_EVERY - 1 ? names[Math.floor(at / KILL_EVERY) % names.length]?.name : undefined;
    const fault = async (): Promise<void> => {
      if (!killed) return;
      await sleep((SEED + at * 37) % 150);
      await kill(killed);
      await start(killed);
    };
    const [ended] = await Promise.all([
      Promise.all(
        commands.map(async (command): Promise<Ended> => {
          const actor = all.find(({ memberId }) => memberId === command.by);
          if (!actor) throw new Error('nobody asks for it');
          return await carryOut(actor, command);
        }),
      ),
      fault(),
    ]);
    for (const { command, end } of ended) {
      if (command.kind === 'create' && end === 'done') ids.push(command.id);
      const told = `${command.kind} ${end}`;
      ends.set(told, (ends.get(told) ?? 0) + 1);
    }
    const after = await atRest(ids, memberIds);
    const round = () =>
      [
        `seed ${SEED}, round ${at}${killed ? `, in which ${killed} was killed` : ''}`,
        ...linesOf(state).map((line) => `  before ${line}`),
        ...ended.map(({ command, end }) => `  ${end}: ${JSON.stringify(command)}`),
        ...linesOf(after.state).map((line) => `  after  ${line}`),
      ].join('\n');
    if (!isExplained(state, ended, after.state)) t.fail(`no order explains ${round()}`);
    if (after.differences.length > 0) t.fail(`${after.differences.join('\n')}\n${round()}`);
    state = after.state;
  }
  t.log([...ends].sort().map(([what, count]) => `${what}: ${count}`));
  t.true((await as.delete(`/v1/groups/${topId}?cascade=true`, { prefer: 'wait=30' })).status < 300);
});

/** What there is once all stores agree, or soon after: what was undone is promised to queries, but not by when. */
async function atRest(...which: Parameters<typeof readOrganisation>): ReturnType<typeof readOrganisation> {
  for (const until = Date.now() + AT_REST_MS; ; await sleep(250)) {
    const found = await readOrganisation(...which);
    if (found.differences.length === 0 || Date.now() > until) return found;
  }
}
