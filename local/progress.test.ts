import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import test from 'ava';
import { checkout } from './places.ts';

/** Runs a command in a terminal of so many columns, and copies what is shown. */
const TERMINAL = `
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, int(sys.argv[1]), 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
while True:
    try:
        shown = os.read(terminal, 65536)
    except OSError:
        break
    if not shown:
        break
    os.write(1, shown)
`;

const SCRIPT = `
import { SERVERS } from ${JSON.stringify(join(checkout, 'local/servers/index.ts'))};
import { LAYOUTS } from ${JSON.stringify(join(checkout, 'local/layouts.ts'))};
import { display } from ${JSON.stringify(join(checkout, 'local/progress.ts'))};
const shown = display(LAYOUTS.few);
const say = (component, title, state, detail) => shown.on({ component, title, state, detail });
say('kafka', 'Kafka', 'starting');
say('kafka', 'Kafka', 'preparing', 'formatting the log');
say('kafka', 'Kafka', 'ready');
for (const { name } of [...SERVERS, ...LAYOUTS.few]) if (name !== 'kafka' && process.stdout.columns >= 40) say(name, name, 'ready');
await new Promise((resolve) => setTimeout(resolve, 300));
await shown.done();
`;

async function shownIn(columns: number): Promise<string> {
  const node = [process.execPath, '--input-type=module', '-e', SCRIPT];
  const child = spawn('python3', ['-c', TERMINAL, String(columns), ...node], {
    env: { PATH: process.env.PATH, TERM: 'xterm' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return output;
}

for (const columns of [0, 1, 20]) {
  test(`a terminal that says it has ${columns} columns is told line by line`, async (t) => {
    const lines = (await shownIn(columns)).trim().split(/\r?\n/);
    t.is(lines.length, 3, lines.join('\n'));
    for (const [index, text] of ['Kafka: starting', 'Kafka: formatting the log', 'Kafka: ready'].entries())
      t.true(lines[index]?.endsWith(` s  ${text}`), lines[index]);
  });
}

test('a terminal with room is shown a list', async (t) => {
  const shown = await shownIn(100);
  t.true(shown.includes('\x1b['), 'redrawn in place');
  t.regex(shown, /Kafka/);
  t.regex(shown, /\bapp\b/);
  t.notRegex(shown, /✖|not started/, 'the first admin is made by one of them');
});
