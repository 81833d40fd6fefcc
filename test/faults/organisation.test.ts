import { randomInt } from 'node:crypto';
import test from 'ava';
import { drawRounds } from '../organisation/draw.ts';
import { Run } from '../organisation/run.ts';

// Random commands on groups, their tags, who is in them, asks to be or is invited, and their positions, several at the same time, while
// processes are killed and terms end. After each round there is an order in which its commands explain all answers and what Group and Position
// have; and Auth and the read models have the same.
//
// MUSUBI_MODEL_COMMANDS=10000 MUSUBI_MODEL_SEED=7 npm test -- test/faults/organisation.test.ts

const COMMANDS = Number(process.env.MUSUBI_MODEL_COMMANDS || (process.env.MUSUBI_TEST_WHOLE ? 10_000 : 300));
const SEED = Number(process.env.MUSUBI_MODEL_SEED || randomInt(2 ** 31));
/** So many are one test: one that takes longer would be taken to hang, and each says how fast it was. */
const PART = 100;

let run: Run | undefined;
let isBroken = false;

test.before('an organisation', async (t) => {
  t.log(`seed ${SEED}, ${COMMANDS} commands`);
  run = await Run.begin(SEED);
});
test.after.always('it is closed', () => run?.close());

for (const [part, rounds] of inParts(drawRounds(COMMANDS, SEED)).entries())
  test.serial(`of what is done at the same time, amid faults, one order explains all stores: part ${part + 1}`, async (t) => {
    t.false(isBroken, 'what is wrong was found in an earlier part');
    isBroken = true;
    const begun = performance.now();
    try {
      for (const round of rounds) await run?.round(round);
    } catch (error) {
      t.log((run?.unexplained ?? []).join('\n'));
      throw error;
    }
    isBroken = false;
    const [commands, seconds] = [rounds.flat().length, (performance.now() - begun) / 1_000];
    t.log(`seed ${SEED}: ${commands} commands in ${seconds.toFixed(0)} s, ${(commands / seconds).toFixed(1)}/s`);
    t.pass();
  });

test.serial('nothing comes back, and nothing is left of it in the end', async (t) => {
  t.log([...(run?.ends ?? [])].sort().map(([what, count]) => `${what}: ${count}`));
  t.false(isBroken, 'what is wrong was found in an earlier part');
  t.deepEqual(await run?.end(), []);
  const { done = 0, all = 0 } = run?.asked ?? {};
  t.true(all >= COMMANDS && done > all / 2, `of ${all} commands ${done} were done: of refusals alone nothing is seen`);
});

function inParts<Command>(rounds: readonly Command[][]): Command[][][] {
  const parts: Command[][][] = [[]];
  for (const round of rounds) {
    if ((parts.at(-1)?.flat().length ?? 0) >= PART) parts.push([]);
    parts.at(-1)?.push(round);
  }
  return parts;
}
