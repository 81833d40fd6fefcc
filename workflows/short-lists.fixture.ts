import { HISTORY } from '../temporal.config.ts';

// A saga goes on in a new run after a few items: what runs hand on is short enough to be read.
Object.assign(HISTORY, { mostItems: 20 });
