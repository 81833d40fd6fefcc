import { HISTORY } from '../temporal.config.ts';

// A history is long after few events: tests need not make thousands.
Object.assign(HISTORY, { mostEvents: 300 });
