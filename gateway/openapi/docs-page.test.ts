import { readFileSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import test from 'ava';

const SCRIPT = readFileSync(new URL('docs/start.js', import.meta.url), 'utf8');

interface Given {
  onComplete(): void;
  plugins: (() => {
    statePlugins: { auth: { wrapActions: Record<string, (original: unknown, system: unknown) => () => void> } };
  })[];
}

/** Loads the page's script in a tab with this storage. @returns what Swagger UI was given, and what it was asked to restore */
function load(storage: Map<string, string>): { given: Given; restored: unknown[] } {
  const restored: unknown[] = [];
  let given: Given | undefined;
  const context = createContext({
    URL,
    location: { href: 'http://127.0.0.1/docs' },
    window: {},
    sessionStorage: {
      getItem: (key: string) => storage.get(key) ?? null,
      setItem: (key: string, value: string) => void storage.set(key, value),
    },
    SwaggerUIBundle: (options: Given) => {
      given = options;
      return { authActions: { restoreAuthorization: (payload: unknown) => restored.push(payload) } };
    },
  });
  runInContext(SCRIPT, context);
  if (!given) throw new Error('the script shows no page');
  return { given, restored };
}

test('a reload of the page keeps who is authorised, for its tab', (t) => {
  const storage = new Map<string, string>();
  const first = load(storage);
  first.given.onComplete();
  t.deepEqual(first.restored, []);
  const authorized = { bearer: { value: 'token' } };
  const persist = first.given.plugins[0]?.().statePlugins.auth.wrapActions.persistAuthorizationIfNeeded;
  persist?.(() => undefined, { authSelectors: { authorized: () => ({ toJS: () => authorized }) } })();
  const second = load(storage);
  second.given.onComplete();
  t.is(JSON.stringify(second.restored), JSON.stringify([{ authorized }]));
  const elsewhere = load(new Map());
  elsewhere.given.onComplete();
  t.deepEqual(elsewhere.restored, [], 'another tab knows nothing of it');
});
