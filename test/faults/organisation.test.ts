import { randomInt } from 'node:crypto';
import test, { type ExecutionContext } from 'ava';
import { ALL_KINDS, drawRounds, withKinds } from '../organisation/draw.ts';
import { Run } from '../organisation/run.ts';

// Random commands on groups, their tags, who is in them, asks to be or is invited, and their positions, several at the same time, while
// processes are killed and terms end. After each round there is an order in which its commands explain all answers and what Group and Position
// have; and Auth and the read models have the same.
//
// MUSUBI_MODEL_COMMANDS=10000 MUSUBI_MODEL_SEED=7 npm test -- test/faults/organisation.test.ts

const COMMANDS = Number(process.env.MUSUBI_MODEL_COMMANDS || (process.env.MUSUBI_TEST_WHOLE ? 10_000 : 300));
const SEED = Number(process.env.MUSUBI_MODEL_SEED || randomInt(2 ** 31));
/** In so many rounds at most what was not done so far is done. */
const MORE_ROUNDS = 40;
/** So much of what is asked may end as somebody was in its way, or a service away: what gets through is what is looked at. */
const MOST_AWAY = 0.1;
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
    const begun = performance.now();
    await explained(t, async () => {
      for (const round of rounds) await run?.round(round);
    });
    const [commands, seconds] = [rounds.flat().length, (performance.now() - begun) / 1_000];
    t.log(`seed ${SEED}: ${commands} commands in ${seconds.toFixed(0)} s, ${(commands / seconds).toFixed(1)}/s`);
    t.pass();
  });

test.serial('what was not among that, or not done, is done when it is asked for: no kind of command is never done', async (t) => {
  const lacking = () => ALL_KINDS.filter((kind) => !run?.kindsDone.has(kind));
  t.log(`not done so far: ${lacking().join(', ')}`);
  await explained(t, async () => {
    for (const round of drawRounds(3 * MORE_ROUNDS, SEED + 1).slice(0, MORE_ROUNDS))
      if (lacking().length > 0) await run?.round(withKinds(round, lacking()));
  });
  t.deepEqual(lacking(), [], 'never done');
});

test.serial('nothing comes back, and nothing is left of it in the end', async (t) => {
  t.log([...(run?.ends ?? [])].sort().map(([what, count]) => `${what}: ${count}`));
  t.false(isBroken, 'what is wrong was found in an earlier part');
  t.deepEqual(await run?.end(), []);
  const { done = 0, away = 0, all = 0 } = run?.asked ?? {};
  t.true(all >= COMMANDS && done > all / 2, `of ${all} commands ${done} were done: of refusals alone nothing is seen`);
  t.true(away <= all * MOST_AWAY, `of ${all} commands ${away} were in vain: others were at the same, or a service was away`);
});

/** Does some rounds. @throws when one is not explained: what comes after it would not be, either */
async function explained(t: ExecutionContext, rounds: () => Promise<void>): Promise<void> {
  t.false(isBroken, 'what is wrong was found in an earlier part');
  isBroken = true;
  try {
    await rounds();
  } catch (error) {
    t.log((run?.unexplained ?? []).join('\n'));
    throw error;
  }
  isBroken = false;
}

function inParts<Command>(rounds: readonly Command[][]): Command[][][] {
  const parts: Command[][][] = [[]];
  for (const round of rounds) {
    if ((parts.at(-1)?.flat().length ?? 0) >= PART) parts.push([]);
    parts.at(-1)?.push(round);
  }
  return parts;
}
