import { globSync } from 'node:fs';
import { matchesGlob, relative, resolve } from 'node:path';

/**
 * Which of the files, folders and patterns that somebody chose have no test file in the checkout. They are read as ava does, but one
 * that no test file matches is an error: ava would run nothing, after the whole stack was started for it.
 */
export function withoutTests(chosen: readonly string[], checkout: string): string[] {
  const exclude = (path: string): boolean => /(^|\/)(node_modules|\.[^/]+)$/.test(path);
  const files = globSync('**/*.test.ts', { cwd: checkout, exclude });
  return chosen.filter((each) => {
    const pattern = relative(checkout, resolve(checkout, each.replace(/:[\d,\s-]+$/, '')));
    return !files.some((file) => matchesGlob(file, pattern) || matchesGlob(file, `${pattern}/**`));
  });
}
