import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { decodeJwt } from 'jose';
import { address, Client, login, unique } from './client.ts';

/** What README.md tells a new user to type, typed, in order; and what it says comes of it. */
const root = join(import.meta.dirname, '..');
/** A block of commands, in any language. */
const FENCED = /^```\w*\n(.*?)^```$/gms;
const section = sectionOf(readFileSync(join(root, 'README.md'), 'utf8'), 'The first five minutes');

interface Block {
  /** The paragraph before it: what the README claims of it. */
  claim: string;
  /** What bash is given. */
  commands: string;
}

interface Step extends Block {
  /** What the user sees. */
  output: string;
}

/** Everything that the blocks left behind. */
interface Run {
  steps: Step[];
  /** With the token that the README's login got. */
  as: Client;
}

/** One check for each block, in their order: the words that its claim must have, and whether the claim is true. */
const CHECKS: { claim: RegExp; holds(t: ExecutionContext, step: Step, run: Run): Promise<void> | void }[] = [
  {
    claim: /Log in; the token is good for five minutes:$/,
    async holds(t, { output }, { as }) {
      t.is(output, '', 'it only sets variables');
      t.is((await as.get('/v1/members/me')).body.loginId, address('MUSUBI_ADMIN_LOGIN_ID'));
      const { iat = 0, exp = 0 } = decodeJwt(as.token ?? '');
      t.is(exp - iat, 5 * 60);
    },
  },
  {
    claim: /^Register Hanako and wait for the end of the saga: `201` with the member\.$/,
    async holds(t, step, { as }) {
      const { status, headers, body } = answerOf(step.output);
      t.is(status, 201, step.output);
      const { password, ...sent } = sentBy(step);
      t.like(body, sent);
      t.is(headers.get('location'), `/v1/members/${body.id}`);
      t.is((await as.get(`/v1/members/${body.id}`)).status, 200, 'who was told "done" sees it done');
      t.truthy((await login(sent.loginId, password)).token);
    },
  },
  {
    claim: /^The same login once more: `409` with the code `LOGIN_TAKEN`, and nothing of the second member remains anywhere\.$/,
    async holds(t, step, { as, steps }) {
      const first = sentBy(steps[1]);
      const second = sentBy(step);
      t.is(second.loginId, first.loginId);
      const { status, headers, body } = answerOf(step.output);
      t.is(status, 409, step.output);
      t.is(headers.get('content-type')?.split(';')[0], 'application/problem+json');
      t.is(body.code, 'LOGIN_TAKEN');
      t.deepEqual((await found(as, second.displayName)).items, [], 'the second is not to be found');
      t.deepEqual(
        (await found(as, first.loginId)).items.map(({ displayName }) => displayName),
        [first.displayName],
        'the first is as it was',
      );
    },
  },
  {
    claim: /^Without `prefer` a command is answered at once: `202` with the `jobId` to follow it by\.$/,
    async holds(t, step, { as }) {
      const { status, headers, body } = answerOf(step.output);
      t.is(status, 202, step.output);
      t.deepEqual(Object.keys(body), ['jobId']);
      t.is(headers.get('location'), `/v1/jobs/${body.jobId}`);
      t.like(await as.finished(String(body.jobId), 120), { state: 'completed', command: 'member.register' });
      t.is((await found(as, sentBy(step).loginId)).items.length, 1);
    },
  },
  {
    claim: /^Find her by a part of her name:$/,
    holds(t, { output }, { steps }) {
      const { password: _, ...her } = sentBy(steps[1]);
      const { items } = JSON.parse(output) as { items: Record<string, unknown>[] };
      t.like(
        items.find(({ loginId }) => loginId === her.loginId),
        her,
      );
      t.true(output.includes(her.displayName), 'readable, not escaped');
    },
  },
  {
    claim:
      /^Keep her out, which ends her sessions and closes her sockets, and let her in again: twice `200` with the member and its `status`\.$/,
    holds(t, { output }, { steps }) {
      const { loginId } = sentBy(steps[1]);
      const answers = output.split(/\n\n(?=HTTP)/).map((one) => answerOf(one.trimEnd()));
      t.like(answers, [
        { status: 200, body: { loginId, status: 'suspended' } },
        { status: 200, body: { loginId, status: 'active' } },
      ]);
      t.is(answers.length, 2);
    },
  },
  {
    claim: /^Let her do that to others: a policy, a role that carries it, and she holds the role\. `204`: it is in force\.$/,
    async holds(t, { output }, { as, steps }) {
      t.regex(output, /^HTTP\/1\.1 204 /);
      const { items } = await found(as, sentBy(steps[1]).loginId);
      const roles = (await as.get(`/v1/members/${items[0]?.id}/roles`)).body.items as { id: string; policyIds: string[] }[];
      t.true(roles.some(({ id, policyIds }) => id !== 'member' && policyIds.length === 1));
    },
  },
  {
    claim: /^What she may do now, and which policy of which role says so:$/,
    async holds(t, { output }, { as, steps }) {
      const { allowed, policies } = JSON.parse(output) as { allowed: boolean; policies: { policyId: string; roleId: string }[] };
      t.true(allowed);
      const [{ roleIds } = {}] = (await found(as, sentBy(steps[1]).loginId)).items;
      const [by] = policies;
      t.true(Array.isArray(roleIds) && roleIds.includes(by?.roleId));
      t.like((await as.get(`/v1/policies/${by?.policyId}`)).body, {
        effect: 'allow',
        actions: ['member.suspend', 'member.reinstate'],
      });
    },
  },
  {
    claim: /^Follow a command on the socket: a new e-mail address for her, and the frame that tells of its end\.$/,
    async holds(t, { commands, output }, { as, steps }) {
      const frames = output.trim().split('\n');
      const { job } = JSON.parse(frames.at(-1) ?? '') as { job: { state: string; command: string } };
      t.like(job, { state: 'completed', command: 'member.update' });
      const [, email] = /email: "([^"]+)"/.exec(commands) ?? [];
      const { items } = await found(as, sentBy(steps[1]).loginId);
      t.is(items[0]?.email, email);
    },
  },
  {
    claim: /^Your jobs so far, newest first:$/,
    async holds(t, { output }, { as, steps }) {
      const { items } = JSON.parse(output) as { items: { id: string; command: string; createdAt: string }[] };
      const times = items.map(({ createdAt }) => createdAt);
      t.true(items.length > 0);
      t.deepEqual(times, times.toSorted().toReversed());
      // The admin is the other tests' too: twenty jobs of theirs may have pushed ours off the page, but nothing else may.
      const jobId = String(answerOf(steps[3]?.output ?? '').body.jobId);
      const { createdAt } = (await as.get(`/v1/jobs/${jobId}`)).body;
      const listed = items.find(({ id }) => id === jobId);
      if (items.length < 20 || createdAt > String(times.at(-1))) t.is(listed?.command, 'member.register');
    },
  },
  {
    claim: /^She makes a group .* by her position in the one above:$/,
    holds(t, { output }) {
      const [shown, explained] = output.split(/^(?<=\}\n)(?=\{$)/m).map((text) => JSON.parse(text));
      t.is(shown.members.items.length, 1);
      t.is(shown.subgroups.items[0].parentId, shown.id);
      t.deepEqual(shown.subgroups.items[0].carriedTags, ['front desk']);
      const update = explained.permissions.find(({ action }: { action: string }) => action === 'group.update');
      t.true(update.allowed);
      t.true(update.positions.some(({ groupId }: { groupId: string }) => groupId === shown.id));
    },
  },
];

test.serial('every block of the first five minutes does what README.md says', async (t) => {
  t.notRegex(section.replaceAll(FENCED, ''), /^(?: {4}|\t|~~~|```)/m, 'commands stand in blocks that begin and end with ```');
  const blocks = blocksOf(section);
  t.is(blocks.length, CHECKS.length, 'each block has its check');
  const run = await runBlocks(t, blocks);
  for (const [index, step] of run.steps.entries()) {
    const check = CHECKS[index];
    t.regex(step.claim, check?.claim ?? /^$/, 'the check is of what README.md claims');
    await check?.holds(t, step, run);
  }
});

test('what README.md says to open is there', async (t) => {
  const gateway = new Client();
  const socket = new URL(address('MUSUBI_WEBSOCKET_URL').replace(/^ws/, 'http'));
  const places: Record<string, () => Promise<boolean>> = {
    '/docs': async () => t.is((await gateway.get('/docs')).status, 200),
    '/openapi.json': async () => t.regex((await gateway.get('/openapi.json')).body.openapi, /^3\.1\./),
    '/asyncapi.json': async () =>
      t.truthy(((await (await fetch(new URL('/asyncapi.json', socket))).json()) as { asyncapi?: string }).asyncapi),
  };
  const named = [...section.replaceAll(FENCED, '').matchAll(/`(\/[^`]*)`/g)].map(([, path = '']) => path);
  t.deepEqual(named.toSorted(), Object.keys(places).toSorted(), 'each path has its check');
  for (const look of Object.values(places)) await look();

  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  for (const [, script = ''] of section.matchAll(/`npm (?:run )?([a-z-]+)/g)) t.true(script in scripts, `npm run ${script}`);
  const runFile = JSON.parse(readFileSync(join(address('MUSUBI_TEST_DATA'), 'run.json'), 'utf8')) as { temporalUi?: string };
  // A Temporal that the environment gives has its UI where only its owner knows.
  if (runFile.temporalUi) t.is((await fetch(runFile.temporalUi)).status, 200);
});

/**
 * Types the blocks into one bash, so that later ones have the variables of earlier ones, in a folder where
 * `.musubi/run.json` is the running stack's. Members, roles and policies get names of this run's own; nothing else is changed.
 */
async function runBlocks(t: ExecutionContext, blocks: Block[]): Promise<Run> {
  const names = new Set(
    blocks.flatMap(({ commands }) => [...commands.matchAll(/"(?:loginId|name)": "([^"]+)"/g)].map(([, name = '']) => name)),
  );
  const own = [...names].map((name) => [new RegExp(name, 'gi'), unique(name)] as const);
  const folder = mkdtempSync(join(tmpdir(), 'musubi-readme-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  symlinkSync(address('MUSUBI_TEST_DATA'), join(folder, '.musubi'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  const typed = join(folder, 'typed');
  mkdirSync(typed, { mode: 0o700 });

  const steps = blocks.map(({ claim, commands }) => ({
    claim,
    commands: own.reduce((text, [name, mine]) => text.replaceAll(name, mine), commands),
    output: '',
  }));
  const script = ['set -u -o pipefail'];
  for (const [index, { commands }] of steps.entries()) {
    writeFileSync(join(typed, `${index}.sh`), commands);
    script.push(`source typed/${index}.sh > typed/${index}.out 2> typed/${index}.err; echo $? > typed/${index}.code`);
  }
  script.push('printf %s "$TOKEN" > typed/token');
  // A user's shell knows nothing of the tests' variables.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('MUSUBI_')));
  const bash = spawn('bash', ['-c', script.join('\n')], {
    cwd: folder,
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: 180_000,
  });
  let complaints = '';
  bash.stderr.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
  const [code] = (await once(bash, 'close')) as [number | null];
  t.is(code, 0, complaints);
  t.is(complaints, '');

  const left = (name: string): string => readFileSync(join(typed, name), 'utf8');
  for (const [index, step] of steps.entries()) {
    step.output = left(`${index}.out`);
    t.is(left(`${index}.err`), '', step.commands);
    t.is(left(`${index}.code`), '0\n', step.commands);
  }
  return { steps, as: new Client(left('token')) };
}

function sectionOf(markdown: string, title: string): string {
  const [, section] = markdown.split(`\n## ${title}\n`);
  if (section === undefined) throw new Error(`README.md has no section "${title}"`);
  return section.split('\n## ')[0] ?? '';
}

/** The fenced blocks, each with the paragraph before it on one line. */
function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(FENCED)].map(({ index, 1: commands = '' }) => {
    const paragraph = markdown.slice(0, index).trimEnd().split('\n\n').at(-1) ?? '';
    return { claim: paragraph.trim().replaceAll('\n', ' '), commands };
  });
}

/** The one answer that `curl -i` printed. */
function answerOf(output: string): { status: number; headers: Headers; body: Record<string, unknown> } {
  const [head = '', ...rest] = output.split('\r\n\r\n');
  const [line = '', ...fields] = head.split('\r\n');
  const headers = new Headers(
    fields.map((field): [string, string] => [field.split(':')[0] ?? '', field.replace(/^[^:]*:/, '').trim()]),
  );
  return { status: Number(line.split(' ')[1]), headers, body: JSON.parse(rest.join('\r\n\r\n')) as Record<string, unknown> };
}

interface NewMember {
  loginId: string;
  password: string;
  displayName: string;
  email: string;
}

/** The member that the step's command describes. */
function sentBy(step: Step | undefined): NewMember {
  return JSON.parse(/-d '(\{.*\})'/.exec(step?.commands ?? '')?.[1] ?? '{}') as NewMember;
}

async function found(as: Client, query: string): Promise<{ items: Record<string, unknown>[] }> {
  return (await as.get(`/v1/members?${new URLSearchParams({ query })}`)).body;
}
