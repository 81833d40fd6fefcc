import { randomInt } from 'node:crypto';
import { cpus } from 'node:os';
import type { Stack } from '../local/stack.ts';
import { address, login } from '../test/client.ts';
import { Draw } from './access/draw.ts';
import { Pivots } from './access/pivots.ts';
import { Ground, WAYS } from './access/taken.ts';
import { ASKED, Tally } from './access/tally.ts';
import { WallClock } from './access/wall.ts';
import { table } from './measure.ts';

/** So many members have their positions taken away side by side. */
const LANES = 4;
const RENEW_MS = 150_000;
/** Violations that are printed. */
const SHOWN = 20;

/** Rounds in which a position is taken away while things are asked by it. */
export async function takeAway(
  admin: { loginId: string; password: string },
  { rounds, seed }: { rounds: number; seed: number },
): Promise<Tally> {
  const client = await login(admin.loginId, admin.password);
  const tally = new Tally();
  const judging = { tally, wall: new WallClock(), pivots: await Pivots.watch(address('MUSUBI_MONGODB_URL')) };
  const renewal = setInterval(() => {
    void login(admin.loginId, admin.password).then(({ token }) => Object.assign(client, { token }));
  }, RENEW_MS);
  const grounds: Ground[] = [];
  try {
    let begun = 0;
    await Promise.all(
      Array.from({ length: Math.min(LANES, rounds) }, async (_, lane) => {
        const [ground, draw] = [await Ground.make(client, judging), new Draw(seed, lane)];
        grounds.push(ground);
        let renewed = Date.now();
        for (let round = begun++; round < rounds; round = begun++) {
          if (Date.now() - renewed > RENEW_MS) {
            await ground.renew();
            renewed = Date.now();
          }
          await ground.round(WAYS[round % WAYS.length] ?? 'unbound', draw);
        }
      }),
    );
    judging.wall.requireSteady();
    return tally;
  } finally {
    clearInterval(renewal);
    // Where one lane has failed, the others end with their sockets.
    await Promise.allSettled(grounds.map((ground) => ground.close()));
    await judging.pivots.stop();
  }
}

/**
 * `npm run bench -- positions [--rounds N] [--seed N]`: members act by positions while these are taken from them, in all `WAYS`: unbound, by a
 * term that ends, changed, by leaving or being put out, with the member, which is suspended or deleted, or as the group is moved or archived. What is
 * asked after that was acknowledged must be refused, and no job passes its pivot any more.
 *
 * @throws when anything was allowed that must not have been
 */
export async function run(stack: Stack, options: { rounds?: string; seed?: string }): Promise<void> {
  const rounds = Number(options.rounds ?? 1_000);
  const seed = Number(options.seed ?? randomInt(4_294_967_296));
  process.stdout.write(`# Positions that are taken away\n\n${rounds} rounds, seed ${seed}, on ${cpus().length} cores\n\n`);
  const { counts, stale, lacked } = await takeAway(stack.admin, { rounds, seed });
  const shares = ASKED.map((asked) => {
    const { before = [0, 0], after = [0, 0] } = counts.get(asked) ?? {};
    return [asked, ...[...before, ...after].map(String), '0'];
  });
  process.stdout.write(
    `${table(['asked', 'before: allowed', 'refused', 'after the acknowledgement: allowed', 'refused', 'aim'], shares)}\n`,
  );
  const wrong = [...stale, ...lacked];
  if (wrong.length > 0) throw new Error(`seed ${seed}, ${wrong.length} in all:\n${wrong.slice(0, SHOWN).join('\n')}`);
}
