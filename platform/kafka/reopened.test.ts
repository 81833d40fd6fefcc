import test from 'ava';
import { Reopened } from './reopened.ts';

test('a client is opened at its first use, kept, dropped after a use that failed, and then opened again', async (t) => {
  const said: string[] = [];
  let made = 0;
  const reopened = new Reopened(() => {
    const number = ++made;
    const say = async (what: string): Promise<void> => void said.push(`${what} ${number}`);
    return { connect: () => say('open'), disconnect: () => say('close'), work: () => say('use') };
  });
  t.deepEqual(said, []);
  await reopened.use((client) => client.work());
  await reopened.use((client) => client.work());
  const fail = async (): Promise<never> => {
    throw new Error('away');
  };
  // Of several that fail with one client, only the first drops it, and none drops its successor.
  const failed = Promise.all([1, 2].map(() => t.throwsAsync(reopened.use(fail), { message: 'away' })));
  await failed;
  await reopened.use((client) => client.work());
  await reopened.close();
  await reopened.close();
  t.deepEqual(said, ['open 1', 'use 1', 'use 1', 'close 1', 'open 2', 'use 2', 'close 2']);
});

test('a client that could not be opened is not kept', async (t) => {
  let made = 0;
  const reopened = new Reopened(() => {
    made++;
    return {
      connect: async () => {
        if (made === 1) throw new Error('away');
      },
      disconnect: async () => undefined,
    };
  });
  await t.throwsAsync(
    reopened.use(async () => 1),
    { message: 'away' },
  );
  t.is(await reopened.use(async () => 2), 2);
});
