import childProcess from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

// ava's command line, with three things mended.
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

const moduleOfAva = (path: string): Promise<{ default: unknown }> =>
  import(pathToFileURL(join(import.meta.dirname, '../../node_modules/ava', path)).href);

// The TAP reporter tells of a test that takes too long by an error that it can not write: the whole run would end there, and nobody would
// know which test it was. Here such an error is as those are that come from tests.
type Report = { err?: unknown };
const { prototype } = (await moduleOfAva('lib/reporters/tap.js')).default as {
  prototype: { writeTest(report: Report, flags: object): void };
};
const { writeTest } = prototype;
prototype.writeTest = function (report, flags) {
  const { err } = report;
  const told = err instanceof Error ? { ...report, err: { originalError: err, name: err.name, stack: err.stack } } : report;
  writeTest.call(this, told, flags);
};

await moduleOfAva('entrypoints/cli.js');
