import childProcess from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// ava's command line, with two things mended.
//
// Its TAP reporter writes errors as YAML, and throws on a field that YAML has no word for: the place of an
// error without one (those of Redis, and of fetch) is undefined. The whole run would end with it. Here such fields are left out.

interface Yaml {
  safeDump(value: unknown, options?: object): string;
}

const require = createRequire(import.meta.url);
const ofAva = createRequire(require.resolve('ava'));
const yaml = createRequire(ofAva.resolve('supertap'))('js-yaml') as Yaml;
const { safeDump } = yaml;
yaml.safeDump = (value, options) => safeDump(value, { skipInvalid: true, ...options });

// A file that no longer gets on is asked to end, by a signal that native code may never let through: ava waits for it for
// good, and says nothing. Here it is killed soon after.
const MERCY_MS = 5_000;
const { fork } = childProcess;
childProcess.fork = ((...args: Parameters<typeof fork>) => {
  const child = fork(...args);
  const kill = child.kill.bind(child);
  child.kill = (signal) => {
    setTimeout(() => kill('SIGKILL'), MERCY_MS).unref();
    return kill(signal);
  };
  return child;
}) as typeof fork;

await import(pathToFileURL(join(import.meta.dirname, '../../node_modules/ava/entrypoints/cli.js')).href);
