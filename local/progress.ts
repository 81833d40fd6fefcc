import { Listr, type ListrTask, PRESET_TIMER } from 'listr2';
import type { MusubiProcess } from './layouts.ts';
import { SERVERS } from './servers/index.ts';
import type { Progress } from './stack.ts';

/** Shows how the components come up. */
export interface Display {
  on(progress: Progress): void;
  /** Ends the list; what comes later is printed line by line. */
  done(): Promise<void>;
}

/** A list needs room for its lines: some terminals say that they have no columns at all. */
const LEAST_COLUMNS = 40;

/** @param processes Musubi's own */
export const display = (processes: readonly MusubiProcess[]): Display =>
  process.stdout.isTTY && process.stdout.columns >= LEAST_COLUMNS ? new TaskList(processes) : new Lines();

/** One line each time that something new happens: for logs and pipes. */
class Lines implements Display {
  readonly #began = performance.now();
  readonly #last = new Map<string, string>();

  on({ component, title, state, detail }: Progress): void {
    const text = [title, state === 'preparing' ? undefined : state, detail].filter(Boolean).join(': ');
    // Of a step that counts only its first line: the numbers alone are not news.
    const news = text.replaceAll(/\d+/g, '#');
    if (this.#last.get(component) === news) return;
    this.#last.set(component, news);
    process.stdout.write(`${((performance.now() - this.#began) / 1000).toFixed(1).padStart(6)} s  ${text}\n`);
  }

  async done(): Promise<void> {}
}

/** A list that is redrawn in place: for people. */
class TaskList implements Display {
  readonly #rows = new Map<string, Row>();
  readonly #lines = new Lines();
  readonly #shown: Promise<unknown>;
  #over = false;

  constructor(processes: readonly MusubiProcess[]) {
    const titles = [
      ...SERVERS.map(({ name, title }) => [name, title] as const),
      ...processes.map(({ name }) => [name, name] as const),
    ];
    for (const [name, title] of titles) this.#rows.set(name, new Row(title));
    if (!processes.some(({ programs }) => programs.includes('bootstrap'))) this.#rows.set('bootstrap', new Row('first admin'));
    const list = new Listr(
      [...this.#rows.values()].map((row) => row.task()),
      { concurrent: true, exitOnError: false, registerSignalListeners: false, rendererOptions: { timer: PRESET_TIMER } },
    );
    this.#shown = list.run().catch(() => {});
  }

  on(progress: Progress): void {
    const row = this.#rows.get(progress.component);
    if (this.#over || !row) this.#lines.on(progress);
    else if (progress.state === 'ready') row.finish();
    else if (progress.state === 'failed' || progress.state === 'stopped') row.finish(progress.detail ?? progress.state);
    else row.detail(progress.detail ?? progress.state);
  }

  async done(): Promise<void> {
    this.#over = true;
    for (const row of this.#rows.values()) row.finish('not started');
    await this.#shown;
  }
}

class Row {
  readonly #title: string;
  readonly #settled = Promise.withResolvers<void>();
  #show = (_text: string): void => {};

  constructor(title: string) {
    this.#title = title;
    this.#settled.promise.catch(() => {});
  }

  detail(text: string): void {
    this.#show(text);
  }

  /** Of several calls the first counts. */
  finish(problem?: string): void {
    if (problem) this.#settled.reject(new Error(problem));
    else this.#settled.resolve();
  }

  task(): ListrTask {
    return {
      title: this.#title,
      task: (_context, task) => {
        this.#show = (text) => {
          task.output = text;
        };
        return this.#settled.promise;
      },
    };
  }
}
