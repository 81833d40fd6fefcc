import { workflowInfo } from '@temporalio/workflow';
import { HISTORY } from '../temporal.config.ts';

/** How long the history of a run gets: each item of a list adds to it. */
export class HistoryLength {
  #items = 0;
  /** How many of them were done before this workflow task. */
  #before = 0;

  add(items: number): void {
    this.#items += items;
  }

  /**
   * Whether the run should go on in a new one. A request to cancel, and the true length of the history, come with the
   * next workflow task only, so there is one every now and then.
   *
   * @param report what brings it about: an activity
   */
  async isLong(report: () => Promise<void>): Promise<boolean> {
    if (this.#items - this.#before >= HISTORY.itemsOfTask) {
      this.#before = this.#items;
      await report();
    }
    return this.#items >= HISTORY.mostItems || workflowInfo().historyLength >= HISTORY.mostEvents;
  }
}
