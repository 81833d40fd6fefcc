import { spawnSync } from 'node:child_process';

/** Nothing is refused to root. */
const DROP = 'if (process.getuid() === 0) { process.setgid(65534); process.setuid(65534); }';

/** What a script says that has the rights of root no more when its imports are loaded. */
export function withoutRoot(imports: string, body: string): string {
  const args = ['--input-type=module', '--eval', [imports, DROP, body].join('\n')];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
  return stdout.trim();
}
