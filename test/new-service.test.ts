import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { Client } from 'pg';
import { connectPeer } from '#platform/grpc/client.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { StateServiceService } from '#proto/musubi/state/v1/state.ts';
import { checkout } from '../local/places.ts';
import { caller } from './callers.ts';
import { addService, generate } from './new-service.ts';
import { copyOfCheckout } from './npm-start.ts';
import { ownServer } from './own-server.ts';
import { startProgram } from './processes.ts';

// The growth that CONTRIBUTING.md promises: where a fourth place has to be touched, one of these does not pass.

test('an empty service touches three files outside of its folder, and is whole', async (t) => {
  mkdirSync(join(checkout, '.musubi'), { recursive: true });
  const place = mkdtempSync(join(checkout, '.musubi', 'new-service-'));
  t.teardown(() => rmSync(place, { recursive: true, force: true }));
  const folder = copyOfCheckout(join(place, 'musubi'));
  t.is(addService(folder, 'notice').length, 3);
  generate(folder);

  const types = spawnSync('node_modules/.bin/tsc', { cwd: folder, encoding: 'utf8' });
  t.is(types.status, 0, types.stdout);
  const ava = 'node_modules/ava/entrypoints/cli.js';
  // Those that need no server: what must hold of every service. Some ask git which files there are.
  execFileSync('git', ['init', '--quiet'], { cwd: folder });
  const rules = [
    'test/architecture.test.ts',
    'test/catalogue.test.ts',
    'test/config-documented.test.ts',
    'test/services-listen.test.ts',
    'test/steps.test.ts',
    'activities/**/*.test.ts',
    'services/events.test.ts',
    'services/relay/config.test.ts',
  ];
  const kept = spawnSync(process.execPath, [ava, ...rules], { cwd: folder, encoding: 'utf8' });
  t.is(kept.status, 0, kept.stdout);

  const postgres = await ownServer('postgres');
  t.teardown(() => postgres.stop());
  // Ready is what /healthz and gRPC's health say of it.
  const notice = await startProgram('notice', [], postgres.addresses, folder);
  t.teardown(() => notice.stop());
  const url = new URL(postgres.addresses.MUSUBI_POSTGRES_URL ?? '');
  url.pathname = '/musubi_notice';
  const db = new Client({ connectionString: url.href });
  await db.connect();
  await db.query(`insert into notices values ('a', 1), ('b', 7)`);
  await db.end();
  const lifecycle = new Lifecycle(createLogger('test', 'silent'), 1_000);
  t.teardown(() => lifecycle.stop('test'));
  const state = connectPeer(`127.0.0.1:${notice.ports.grpc}`, StateServiceService, lifecycle, () =>
    caller('operator').token('notice'),
  );
  const told = await Array.fromAsync(state.tellState({ aggregateType: 'notice', afterId: '', limit: 0, ids: [] }));
  t.deepEqual(
    told.map(({ id, version }) => [id, version]),
    [
      ['a', 1],
      ['b', 7],
    ],
  );
});
