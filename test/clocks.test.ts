import { randomUUID } from 'node:crypto';
import test from 'ava';
import { pino } from 'pino';
import { connectPeer, type Peer } from '#platform/grpc/client.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { byWhoMay } from './callers.ts';
import { address, unique } from './client.ts';
import { type Started, startProgram } from './processes.ts';

const MINUTE = 60_000;
/** The machine may be busy: how long an answer takes is not what is tested. */
const patient = { timeoutMs: MINUTE };
const lifecycle = new Lifecycle(pino({ level: 'silent' }), 10_000);
const started: Started[] = [];

/** An Auth process on a host whose clock is wrong by so many milliseconds. */
async function authAt(shiftMs: number): Promise<Peer<AuthServiceService>> {
  const process = await startProgram('auth', [], {
    NODE_OPTIONS: `--import ${new URL('shifted-clock.ts', import.meta.url)}`,
    MUSUBI_TEST_CLOCK_SHIFT_MS: String(shiftMs),
  });
  started.push(process);
  return connectPeer(`127.0.0.1:${process.ports.grpc}`, AuthServiceService, lifecycle, byWhoMay('auth'));
}
test.after.always(async () => {
  await Promise.all(started.map((process) => process.stop()));
  await lifecycle.stop('done');
});

test('Auth processes whose clocks are 12 minutes apart are one Auth', async (t) => {
  const auths = {
    'in time': connectPeer(address('MUSUBI_AUTH_ADDRESS'), AuthServiceService, lifecycle, byWhoMay('auth')),
    ahead: await authAt(6 * MINUTE),
    behind: await authAt(-6 * MINUTE),
  };
  const password = 'correct horse battery';
  for (const [name, auth] of Object.entries(auths)) {
    for (const [otherName, other] of Object.entries(auths)) {
      const label = `${name}, then ${otherName}`;
      const [memberId, loginId] = [randomUUID(), unique('clock')];
      const { passwordRef } = await auth.stagePassword({ password }, patient);
      await other.bindLogin({ operationId: randomUUID(), memberId, loginId, passwordRef }, patient);
      await auth.grantRoles({ operationId: randomUUID(), memberId, roleIds: [] }, patient);

      const tokens = await auth.login({ loginId, password, userAgent: '', source: '192.0.2.7', deviceCookie: '' }, patient);
      const who = await other.authenticate({ accessToken: tokens.accessToken }, patient);
      t.is(who.memberId, memberId, label);
      t.true(who.expiresIn > 200 && who.expiresIn <= 300, `${label}: ${who.expiresIn} s are left`);

      const refreshed = await other.refresh({ refreshToken: tokens.refreshToken }, patient);
      // A lost answer, repeated at another process at once: within the grace.
      const again = await auth.refresh({ refreshToken: tokens.refreshToken }, patient);
      t.is(again.refreshToken, refreshed.refreshToken, label);
      await t.notThrowsAsync(auth.authenticate({ accessToken: refreshed.accessToken }, patient), label);

      await auth.suspendLogin({ operationId: randomUUID(), memberId }, patient);
      await other.removeLogin({ operationId: randomUUID(), memberId }, patient);
    }
  }
});
