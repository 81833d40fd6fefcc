import { status } from '@grpc/grpc-js';
import test from 'ava';
import { Client, escapeIdentifier, escapeLiteral } from 'pg';
import { MusubiError } from '#platform/errors.ts';
import { connectPeer } from '#platform/grpc/client.ts';
import { Lifecycle } from '#platform/process/lifecycle.ts';
import { createLogger } from '#platform/process/log.ts';
import { MemberServiceService } from '#proto/musubi/member/v1/member.ts';
import { RoleServiceService } from '#proto/musubi/role/v1/role.ts';
import { Ports } from '../local/ports.ts';
import { byWhoMay } from './callers.ts';
import { ownServer } from './own-server.ts';
import { startProgram } from './processes.ts';

test('services of one process keep their own database users, and are each reached from outside', async (t) => {
  const postgres = await ownServer('postgres');
  const owner = postgres.addresses.MUSUBI_POSTGRES_URL ?? '';
  const db = new Client({ connectionString: owner });
  await db.connect();
  const reserved = new Ports();
  const [member, role] = [await reserved.reserve(), await reserved.reserve()];
  const urlOf = (user: string): string => Object.assign(new URL(owner), { username: user, password: `of-${user}` }).href;
  try {
    for (const user of ['only_member', 'only_role'])
      await db.query(`create role ${escapeIdentifier(user)} login createdb replication password ${escapeLiteral(`of-${user}`)}`);
    const started = await startProgram('member,role', [], {
      MUSUBI_POSTGRES_URL: 'postgres://nobody@127.0.0.1:1/postgres',
      MUSUBI_MEMBER_POSTGRES_URL: urlOf('only_member'),
      MUSUBI_ROLE_POSTGRES_URL: urlOf('only_role'),
      MUSUBI_MEMBER_GRPC_LISTEN: `127.0.0.1:${member}`,
      MUSUBI_ROLE_GRPC_LISTEN: `127.0.0.1:${role}`,
    });
    try {
      const { rows } = await db.query<{ datname: string; usename: string }>(
        `select distinct datname, usename from pg_stat_activity where datname like 'musubi%' order by 1`,
      );
      t.deepEqual(rows, [
        { datname: 'musubi_member', usename: 'only_member' },
        { datname: 'musubi_role', usename: 'only_role' },
      ]);
      const lifecycle = new Lifecycle(createLogger('test', 'silent'), 1_000);
      const members = connectPeer(`127.0.0.1:${member}`, MemberServiceService, lifecycle, byWhoMay('member'));
      const roles = connectPeer(`127.0.0.1:${role}`, RoleServiceService, lifecycle, byWhoMay('role'));
      const unknown = { code: 'INVALID_ARGUMENT' };
      await t.throwsAsync(members.undo({ operationId: '' } as never), unknown);
      await t.throwsAsync(roles.undo({ operationId: '' } as never), unknown);
      const wrongDoor = connectPeer(`127.0.0.1:${member}`, RoleServiceService, lifecycle, byWhoMay('member'));
      const refused = await t.throwsAsync(wrongDoor.undo({ operationId: '' } as never), { instanceOf: MusubiError });
      t.is(refused?.grpcStatus, status.UNIMPLEMENTED);
      await lifecycle.stop('test');
    } finally {
      await started.stop();
    }
    t.is(started.child.exitCode, 0, started.output().slice(-1_000));
  } finally {
    await db.end();
    await reserved.release();
    await postgres.stop();
  }
});
