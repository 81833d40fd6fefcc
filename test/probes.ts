import { setTimeout as sleep } from 'node:timers/promises';

/** What the probes of a stack's processes said over a time: asked twice a second. */
export class Probes {
  readonly #urls: ReadonlyMap<string, string>;
  /** By process: ms from the start until /healthz first said that something is wrong. */
  readonly sick = new Map<string, number>();
  #watching: Promise<void> | undefined;
  #over = false;

  /** @param ports of the stack's components */
  constructor(ports: Record<string, Record<string, number>>) {
    this.#urls = new Map(
      Object.entries(ports).flatMap(([name, { ops }]) => (ops ? [[name, `http://127.0.0.1:${ops}/healthz`] as const] : [])),
    );
  }

  watch(): void {
    const begun = performance.now();
    this.#watching = (async () => {
      while (!this.#over) {
        const states = await this.#ask();
        for (const [name, healthy] of states) {
          if (!healthy && !this.sick.has(name)) this.sick.set(name, performance.now() - begun);
        }
        await sleep(500);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#over = true;
    await this.#watching;
  }

  /** Waits until every process says that it is healthy. @returns how long that took, ms. @throws after a minute */
  async healthy(): Promise<number> {
    const begun = performance.now();
    for (;;) {
      const sick = (await this.#ask()).filter(([, healthy]) => !healthy).map(([name]) => name);
      if (sick.length === 0) return performance.now() - begun;
      if (performance.now() - begun > 60_000) throw new Error(`not healthy after a minute: ${sick.join(', ')}`);
      await sleep(250);
    }
  }

  #ask(): Promise<(readonly [string, boolean])[]> {
    return Promise.all(
      [...this.#urls].map(async ([name, url]) => {
        const ok = await fetch(url, { signal: AbortSignal.timeout(5_000) }).then(
          async (response) => {
            await response.arrayBuffer();
            return response.ok;
          },
          () => false,
        );
        return [name, ok] as const;
      }),
    );
  }
}
