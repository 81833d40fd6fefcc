import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client, credentials, Metadata, status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { keyVariable } from '#platform/grpc/callers.ts';
import { CALLER } from '#platform/grpc/client.ts';
import { AuthServiceService } from '#proto/musubi/auth/v1/auth.ts';
import { checkout } from '../local/places.ts';
import { SERVICES } from '../services/catalogue.ts';
import { caller } from './callers.ts';
import { address, admin } from './client.ts';
import { pids, processes } from './control.ts';

// What strangers and other programs get of the running system.

/** The gRPC status of a call that makes the first admin's double. */
function grantAdmin(t: ExecutionContext, token?: string): Promise<status> {
  const client = new Client(address('MUSUBI_AUTH_ADDRESS'), credentials.createInsecure());
  t.teardown(() => client.close());
  const { path, requestSerialize, responseDeserialize } = AuthServiceService.grantRoles;
  const metadata = new Metadata();
  if (token !== undefined) metadata.set(CALLER, token);
  const request = { operationId: randomUUID(), memberId: randomUUID(), roleIds: ['admin'] };
  return new Promise((resolve) =>
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, request, metadata, (error) =>
      resolve(error?.code ?? status.OK),
    ),
  );
}

test('who reaches the port of Auth makes nobody an admin', async (t) => {
  t.is(await grantAdmin(t), status.UNAUTHENTICATED, 'a stranger');
  t.is(await grantAdmin(t, (await admin()).token ?? ''), status.UNAUTHENTICATED, "an admin's own access token");
  t.is(
    await grantAdmin(t, await caller('sagas').token('member')),
    status.UNAUTHENTICATED,
    'who was shown a token as another service',
  );
  for (const name of ['gateway', 'websocket', 'bootstrap', 'operator'])
    t.is(await grantAdmin(t, await caller(name).token('auth')), status.PERMISSION_DENIED, name);
  t.is(await grantAdmin(t, await caller('sagas').token('auth')), status.NOT_FOUND, 'sagas, of a member that is not there');
});

test("a token is made by a command, with the operator's key", async (t) => {
  const variable = keyVariable('operator');
  const made = execFileSync(process.execPath, [join(checkout, 'main.ts'), 'callers', '--token', 'auth'], {
    env: { ...process.env, [variable]: address(variable) },
    stdio: ['ignore', 'pipe', 'ignore'],
    encoding: 'utf8',
  });
  t.is(await grantAdmin(t, made.trim()), status.PERMISSION_DENIED);
});

test('no process has in its environment what is the secret of programs that it is not made of', async (t) => {
  const running = await pids();
  const secrets = Object.entries(process.env).filter(
    ([name, value]) =>
      value && /^MUSUBI_.*(_CALLER_KEY|MASTER_KEY|ADMIN_PASSWORD|SECRET_ACCESS_KEY|POSTGRES_URL|MONGODB_URL)$/.test(name),
  ) as [string, string][];
  t.true(secrets.length >= 5 + 2 + 4 + 2, secrets.map(([name]) => name).join());
  /** Whose secrets these are, by their names. */
  const owners: Record<string, readonly string[]> = {
    MUSUBI_AUTH_MASTER_KEY: ['auth'],
    MUSUBI_AUTH_CALLER_KEY: ['auth'],
    MUSUBI_ADMIN_PASSWORD: ['bootstrap'],
    MUSUBI_SAGAS_CALLER_KEY: ['worker', 'gateway'],
    MUSUBI_GATEWAY_CALLER_KEY: ['gateway'],
    MUSUBI_WEBSOCKET_CALLER_KEY: ['websocket'],
    MUSUBI_BOOTSTRAP_CALLER_KEY: ['bootstrap'],
    ...Object.fromEntries(
      [...Object.keys(SERVICES), 'relay'].flatMap((name) => [
        [`MUSUBI_${name.toUpperCase()}_POSTGRES_URL`, [name]],
        [`MUSUBI_${name.toUpperCase()}_MONGODB_URL`, [name]],
      ]),
    ),
  };
  for (const { name, programs } of processes()) {
    const environment = readFileSync(`/proc/${running[name]}/environ`, 'utf8');
    for (const [variable, secret] of secrets) {
      const mayHave = programs.some((program) => owners[variable]?.includes(program));
      t.is(environment.includes(secret), mayHave, `${name}: ${variable}`);
    }
  }
});
