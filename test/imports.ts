import { dirname, join, normalize } from 'node:path';

/** Source texts by path from the root: the tree, or a small sample of one. */
export type Sources = Record<string, string>;

export interface Import {
  file: string;
  /** Of our own files the path from the root, else the specifier: `node:fs`, `pg`. */
  target: string;
  ours: boolean;
  /** It brings types, and nothing at run time. */
  typeOnly: boolean;
}

export interface ImportRule {
  /** What it is good for: a failure explains itself. */
  why: string;
  /** The files it is about. */
  of(file: string): boolean;
  /** Which of what they import it is about too, and so on; default: nothing. */
  through?(target: string): boolean;
  forbids(imported: Import): boolean;
}

/** What breaks a rule, as `file imports target`. */
export function violations({ of, through = () => false, forbids }: ImportRule, sources: Sources): string[] {
  const broken = new Set<string>();
  const seen = new Set<string>();
  const look = (file: string): void => {
    if (seen.has(file)) return;
    seen.add(file);
    for (const imported of importsOf(file, sources[file] ?? '')) {
      if (forbids(imported)) broken.add(`${file} imports ${imported.target}`);
      else if (imported.ours && through(imported.target)) look(imported.target);
    }
  };
  for (const file of Object.keys(sources)) if (of(file)) look(file);
  return [...broken];
}

/** The circles of imports, of types also, each as `a → b → a` and once. */
export function circles(sources: Sources): string[] {
  const found = new Set<string>();
  const done = new Set<string>();
  const look = (file: string, path: string[]): void => {
    const begin = path.indexOf(file);
    if (begin >= 0) found.add([...path.slice(begin), file].join(' → '));
    if (begin >= 0 || done.has(file)) return;
    for (const { target, ours } of importsOf(file, sources[file] ?? '')) {
      if (ours && target in sources) look(target, [...path, file]);
    }
    done.add(file);
  };
  for (const file of Object.keys(sources)) look(file, []);
  return [...found];
}

/** Static imports and re-exports, side-effect imports, dynamic ones, and CommonJS. */
const SYNTAX = [
  /(?:^|[\n;])\s*(?:import|export)\s+(?<type>type\s+)?(?:[^'"`;]*?\sfrom\s+)?['"](?<specifier>[^'"]+)['"]/g,
  /(?:\bimport|\brequire|\bcreateRequire\([^)]*\))\(\s*['"`](?<specifier>[^'"`]+)['"`]/g,
];

export function importsOf(file: string, text: string): Import[] {
  return SYNTAX.flatMap((syntax) => [...text.matchAll(syntax)]).map(({ groups = {} }) => {
    const specifier = groups.specifier ?? '';
    const own = specifier.replace(/^#proto\//, 'platform/gen/').replace(/^#platform\//, 'platform/');
    const relative = specifier.startsWith('.');
    const target = relative ? normalize(join(dirname(file), specifier)) : own;
    return { file, target, ours: relative || own !== specifier, typeOnly: groups.type !== undefined };
  });
}
