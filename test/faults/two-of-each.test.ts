import test from 'ava';
import { SERVICES } from '../../services/catalogue.ts';
import { address, admin, Client, login, register } from '../client.ts';
import { type Started, startProgram } from '../processes.ts';
import { Socket } from '../socket.ts';

// Among the faults: consumers that come and go have their groups rebalanced, and everybody waits for that.
test('a second process of every program works beside the first, and leaves in order', async (t) => {
  const started: Started[] = [];
  try {
    const begin = async (...which: Parameters<typeof startProgram>): Promise<Started> => {
      const program = await startProgram(...which);
      started.push(program);
      return program;
    };
    const peers = Object.fromEntries(
      await Promise.all(
        Object.keys(SERVICES).map(async (service) => {
          const { ports } = await begin(service);
          return [`MUSUBI_${service.toUpperCase()}_ADDRESS`, `127.0.0.1:${ports.grpc}`] as const;
        }),
      ),
    );
    // Everything of this second set talks to the second services only.
    const [websocket, gateway] = await Promise.all([
      begin('websocket', [], peers),
      begin('gateway', [], peers),
      begin('relay', ['--sources', 'member,job'], peers),
      begin('worker', ['--queues', 'member'], peers),
    ]);

    const base = `http://127.0.0.1:${gateway.ports.http}`;
    const first = await admin();
    const second = new Client(first.token, base);
    const one = await register(second, 'second');
    t.is(
      (await first.get(`/v1/members/${one.memberId}`)).body.loginId,
      one.loginId,
      'registered at the second, visible at the first',
    );
    const two = await register(first, 'first');
    t.is((await second.get(`/v1/members/${two.memberId}`)).body.loginId, two.loginId, 'and the other way');

    const self = await login(one.loginId, one.password, base);
    const here = await Socket.open(self.token);
    const there = await Socket.open(
      self.token,
      `ws://127.0.0.1:${websocket.ports.http}${new URL(address('MUSUBI_WEBSOCKET_URL')).pathname}`,
    );
    const jobs: string[] = [];
    for (let i = 0; i < 10; i++) {
      const client = i % 2 === 0 ? self : new Client(self.token);
      const { body } = await client.patch(`/v1/members/${one.memberId}`, { displayName: `name ${i}` });
      jobs.push(body.jobId);
    }
    for (const socket of [here, there]) {
      for (const id of jobs) t.is((await socket.end(id)).job?.state, 'completed');
      t.deepEqual(socket.ended.toSorted(), jobs.toSorted(), 'each once');
    }
    await Promise.all([here.close(), there.close()]);
  } finally {
    await Promise.all(started.map((program) => program.stop()));
  }
  for (const { child, output } of started) t.is(child.exitCode, 0, output().slice(-1_000));
  const after = await admin();
  t.is((await register(after, 'after')).memberId.length, 36, 'the first set goes on alone');
});
