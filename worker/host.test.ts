import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Metadata, status } from '@grpc/grpc-js';
import { Client } from '@temporalio/client';
import { NativeConnection } from '@temporalio/worker';
import test from 'ava';
import { pino } from 'pino';
import { until } from '#platform/until.fixture.ts';
import { openProxy } from '../services/job/proxy.fixture.ts';
import { SCHEDULES } from '../temporal.config.ts';
import { createCommands } from './client.ts';
import { address, asOperator, host, makeNamespace, namespace, ready, register, untilHeld } from './host.fixture.ts';
import { installRuntime } from './runtime.ts';

test.before(makeNamespace);

test.serial('a host starts commands eagerly, once each, and answers a cancel honestly', async (t) => {
  const { commands, lifecycle, lines, ended, away } = host(['member']);
  await ready(lifecycle);

  const jobId = randomUUID();
  await Promise.all([commands.startCommand(register(jobId)), commands.startCommand(register(jobId))]);
  await until(() => ended.length > 0);
  const connection = await NativeConnection.connect({ address });
  const run = new Client({ connection, namespace }).workflow.getHandle(jobId);
  await run.result();
  const { runId } = await run.describe();
  await commands.startCommand(register(jobId)); // a late repeat
  t.is((await run.describe()).runId, runId);
  await connection.close();
  t.deepEqual(ended, [`${jobId} JOB_STATE_COMPLETED`]);
  t.true(lines.some(({ msg, eager }) => msg === 'command started' && eager === true));

  t.is(await commands.cancelCommand(randomUUID()), 'unknown');
  await until(async () => (await commands.cancelCommand(jobId)) === 'too-late');

  away.add('bindLogin');
  const other = randomUUID();
  await commands.startCommand(register(other));
  t.is(await commands.cancelCommand(other), 'accepted');
  await until(() => ended.length > 1);
  t.is(ended[1], `${other} JOB_STATE_CANCELLED`);
  await until(async () => (await commands.cancelCommand(other)) === 'too-late');

  // Past its pivot it is tried without end; before, a saga that is held ends by itself after a minute.
  away.delete('bindLogin');
  away.add('activateMember');
  const cut = randomUUID();
  await commands.startCommand(register(cut));
  await untilHeld(cut);
  await asOperator((client) => client.workflow.getHandle(cut).terminate('by the test'));
  t.is(await commands.cancelCommand(cut), 'interrupted', 'which is no job that has ended');
  await lifecycle.stop('test');
});

test.serial('a domain that has a queue of its own is worked on where that is polled, and nowhere else', async (t) => {
  const own = { MUSUBI_OWN_QUEUES: ['member'] };
  const starter = host([], { more: own });
  const shared = host(['member']);
  await Promise.all([ready(starter.lifecycle), ready(shared.lifecycle)]);
  const jobId = randomUUID();
  await starter.commands.startCommand(register(jobId));
  const connection = await NativeConnection.connect({ address });
  const handle = new Client({ connection, namespace }).workflow.getHandle(jobId);
  t.is((await handle.describe()).taskQueue, 'member');
  await delay(500);
  t.deepEqual([...starter.ended, ...shared.ended], [], 'nobody polls it yet');
  const alone = host(['member'], { more: own });
  await until(() => alone.ended.length > 0);
  t.deepEqual(alone.ended, [`${jobId} JOB_STATE_COMPLETED`]);
  await connection.close();
  await Promise.all([starter, shared, alone].map(({ lifecycle }) => lifecycle.stop('done')));
});

test.serial('a host without queues starts what others run', async (t) => {
  const worker = host(['member']);
  const starter = host([]);
  await Promise.all([ready(worker.lifecycle), ready(starter.lifecycle)]);
  const jobId = randomUUID();
  await starter.commands.startCommand(register(jobId));
  await until(() => worker.ended.length > 0);
  t.deepEqual([worker.ended, starter.ended], [[`${jobId} JOB_STATE_COMPLETED`], []]);
  await Promise.all([worker.lifecycle.stop('test'), starter.lifecycle.stop('test')]);
});

test.serial('search attributes that are gone are made again, for a command that needs them and for sagas that run', async (t) => {
  const { commands, lifecycle, ended, away, refusing } = host(['member']);
  await ready(lifecycle);
  const connection = await NativeConnection.connect({ address });
  const known = async () => {
    const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
    return Object.keys(customAttributes ?? {}).sort();
  };
  const all = await known();
  const remove = () => connection.operatorService.removeSearchAttributes({ namespace, searchAttributes: all });

  await remove();
  const jobId = randomUUID();
  await commands.startCommand(register(jobId));
  // A saga that an earlier host left may end here, too.
  const endOf = (id: string) => ended.find((one) => one.startsWith(id));
  await until(() => endOf(jobId) !== undefined);
  t.is(endOf(jobId), `${jobId} JOB_STATE_COMPLETED`);
  t.deepEqual(await known(), all);

  // When it is refused it says so by one of them; while that is gone, its task fails.
  away.add('bindLogin');
  const other = randomUUID();
  await commands.startCommand(register(other));
  await remove();
  refusing.add('bindLogin');
  away.delete('bindLogin');
  await until(() => endOf(other) !== undefined);
  t.is(endOf(other), `${other} JOB_STATE_FAILED`);
  t.deepEqual(await known(), all);
  await connection.close();
  await lifecycle.stop('test');
});

test.serial('a Schedule that is deleted is made again while the host runs', async (t) => {
  const { lifecycle } = host(['member']);
  await ready(lifecycle);
  await asOperator(async ({ schedule }) => {
    for (const id of Object.keys(SCHEDULES)) {
      const handle = schedule.getHandle(id);
      const madeAt = () =>
        handle
          .describe()
          .then(({ info }) => info.createdAt.getTime())
          .catch(() => 0);
      await until(madeAt);
      const before = await madeAt();
      await handle.delete();
      await until(async () => (await madeAt()) > before);
      t.is((await handle.describe()).action.workflowType, id);
    }
  });
  await lifecycle.stop('test');
});

test.serial('that Temporal does not answer is learnt once, and not by every command again, until it does', async (t) => {
  const way = await openProxy(`http://${address}`);
  const { commands, lifecycle } = host([], { at: new URL(way.url).host });
  await ready(lifecycle);
  way.cut();
  t.notThrows(() => commands.requireConnection(), 'nobody has asked yet');
  await t.throwsAsync(commands.startCommand(register(randomUUID())), { message: /cannot be taken/ });
  const begun = Date.now();
  t.throws(() => commands.requireConnection(), { message: /cannot be taken/ });
  await t.throwsAsync(commands.startCommand(register(randomUUID())), { message: /cannot be taken/ });
  t.true(Date.now() - begun < 2_000, 'it was not waited for again');
  way.mend();
  await until(() => {
    try {
      return commands.requireConnection() ?? true;
    } catch {
      return false;
    }
  });
  await t.notThrowsAsync(commands.startCommand(register(randomUUID())));
  await lifecycle.stop('test');
  way.close();
});

/** A connection to the real Temporal on which calls fail, never end, or take their time, as `fault` says by their method. */
async function troubled() {
  const trouble: { fault: (method: string) => { code: status } | 'silence' | number | undefined } = { fault: () => undefined };
  // As a host does: core went with the connections of the tests before, and another process may have its port by now.
  await installRuntime(pino({ level: 'silent' }));
  const connection = await NativeConnection.connect({ address });
  const { workflowService } = connection;
  for (const method of ['startWorkflowExecution', 'describeWorkflowExecution', 'getSystemInfo'] as const) {
    const call = workflowService[method].bind(workflowService) as (request: object) => Promise<unknown>;
    const disturbed = async (request: object): Promise<unknown> => {
      const fault = trouble.fault(method);
      if (fault === 'silence') return await new Promise(() => undefined);
      if (typeof fault === 'number') await delay(fault);
      else if (fault) throw Object.assign(new Error('fault'), { ...fault, details: '', metadata: new Metadata() });
      return await call(request);
    };
    Object.assign(workflowService, { [method]: disturbed });
  }
  const client = new Client({ connection, namespace });
  const commands = createCommands(() => client, pino({ level: 'silent' }));
  const known = (): boolean => {
    try {
      commands.requireConnection();
      return true;
    } catch {
      return false;
    }
  };
  return { trouble, commands, known, close: () => connection.close() };
}

test.serial('a Temporal that answers, but not what takes its database, is away until it does', async (t) => {
  const { trouble, commands, known, close } = await troubled();
  trouble.fault = (method) => (method === 'getSystemInfo' ? undefined : 'silence');
  await t.throwsAsync(commands.startCommand(register(randomUUID())), { message: /cannot be taken/ });
  await delay(1_500);
  t.false(known());
  trouble.fault = () => 800;
  await until(known);
  t.pass('though it is slow');
  await close();
});

test.serial('a Temporal that answers all but starts is away until it starts something', async (t) => {
  const { trouble, commands, known, close } = await troubled();
  trouble.fault = (method) => (method === 'startWorkflowExecution' ? { code: status.UNAVAILABLE } : undefined);
  await t.throwsAsync(commands.startCommand(register(randomUUID())), { message: /cannot be taken/ });
  await delay(1_500);
  t.false(known());
  trouble.fault = () => undefined;
  await until(known);
  await close();
});

test.serial('that one start is refused does not say that Temporal is away', async (t) => {
  const { trouble, commands, known, close } = await troubled();
  for (const code of [status.INVALID_ARGUMENT, status.RESOURCE_EXHAUSTED, status.PERMISSION_DENIED]) {
    trouble.fault = () => ({ code });
    await t.throwsAsync(commands.startCommand(register(randomUUID())), { message: /cannot be taken/ });
    t.true(known(), status[code]);
  }
  trouble.fault = () => ({ code: status.UNAVAILABLE });
  await t.throwsAsync(commands.startCommand(register(randomUUID())), { message: /cannot be taken/ });
  t.false(known());
  trouble.fault = () => undefined;
  await until(known);
  await close();
});

test.serial('of many starts at once so many are under way, and those that wait their turn are not late', async (t) => {
  const { trouble, commands, close } = await troubled();
  let underWay = 0;
  let most = 0;
  trouble.fault = (method) => {
    if (method !== 'startWorkflowExecution') return undefined;
    most = Math.max(most, ++underWay);
    // The proxy answers after this long.
    setTimeout(() => underWay--, 1_500);
    return 1_500;
  };
  // Four rounds of them: the last waits longer than one start may take.
  const starts = await Promise.allSettled(Array.from({ length: 128 }, () => commands.startCommand(register(randomUUID()))));
  t.deepEqual(
    starts.flatMap((start) => (start.status === 'rejected' ? [String(start.reason)] : [])),
    [],
  );
  t.true(most <= 32, `${most} at once`);
  t.true(most > 16);
  await close();
});

test.serial('while Temporal is away it is not ready, takes no commands, and stops at once', async (t) => {
  const { commands, lifecycle } = host(['member'], { at: '127.0.0.1:1' });
  await until(async () => /refused/i.test((await lifecycle.unready()).temporal ?? ''));
  await t.throwsAsync(commands.startCommand(register(randomUUID())), { message: /cannot be taken/ });
  await t.throwsAsync(commands.cancelCommand(randomUUID()), { message: /cannot be taken/ });
  t.throws(() => commands.requireConnection(), { message: /cannot be taken/ });
  const begun = Date.now();
  await lifecycle.stop('test');
  t.true(Date.now() - begun < 15_000, 'not only at its time limit, which is 20 s');
});
