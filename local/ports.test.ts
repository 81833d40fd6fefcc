import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import test from 'ava';
import { isFree, Ports } from './ports.ts';
import { withoutRoot } from './without-root.fixture.ts';

// One after the other: a port that one test has just found free must not be another's choice.

const listening = (port: number) =>
  new Promise<() => void>((resolve) => {
    const server = createServer().listen(port, '127.0.0.1', () => resolve(() => server.close()));
  });

test.serial('a wanted port is taken when it is free', async (t) => {
  const ports = new Ports();
  t.teardown(() => ports.release());
  const free = await ports.reserve();
  await ports.release();
  t.is(await ports.reserve(free), free);
});

test.serial('a port that somebody listens on is passed over for the next wanted one', async (t) => {
  const [busy, next] = await twoFreePorts();
  t.teardown(await listening(busy));
  const ports = new Ports();
  t.teardown(() => ports.release());
  t.is(await ports.reserve(busy, next), next);
});

test.serial('two stacks never choose the same port, though neither listens yet', async (t) => {
  const one = new Ports();
  const other = new Ports();
  t.teardown(() => Promise.all([one.release(), other.release()]));
  const [wanted] = await twoFreePorts();
  const [first, second] = await Promise.all([one.reserve(wanted), other.reserve(wanted)]);
  t.not(first, second);
  t.true(first === wanted || second === wanted);
});

test.serial('a pinned port that is in use is an error that names it, who has it, and what to do', async (t) => {
  const [busy, held] = await twoFreePorts();
  t.teardown(await listening(busy));
  const refusal = (port: number, who: string) => ({
    message: new RegExp(`^port ${port} is in use on 127.0.0.1, by ${who}: give another --port, or --port 0 for free ones$`),
  });
  await t.throwsAsync(new Ports().reserveExactly(busy), refusal(busy, `.*node.* \\(pid ${process.pid}\\)`));
  const other = new Ports();
  t.teardown(() => other.release());
  await other.reserveExactly(held);
  await t.throwsAsync(new Ports().reserveExactly(held), refusal(held, 'another start of Musubi'));
});

test.serial('a pinned port that only root may listen on is an error that says so', (t) => {
  const first = Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8'));
  if (first <= 80) return t.pass('on this machine everybody may listen on every port');
  const imports = `import { Ports } from ${JSON.stringify(new URL('ports.ts', import.meta.url).href)};`;
  const said = withoutRoot(imports, 'await new Ports().reserveExactly(80).catch((error) => console.log(error.message));');
  t.is(said, 'port 80 is for root only: give a --port from 1024 on, or --port 0 for free ones');
});

test.serial('chosen ports lie below the range of outgoing connections and can be listened on', async (t) => {
  const ports = new Ports();
  t.teardown(() => ports.release());
  for (let i = 0; i < 20; i++) {
    const port = await ports.reserve();
    t.true(port < 32_768);
    t.true(await isFree(port));
  }
});

async function twoFreePorts(): Promise<[number, number]> {
  const ports = new Ports();
  const pair: [number, number] = [await ports.reserve(), await ports.reserve()];
  await ports.release();
  return pair;
}
