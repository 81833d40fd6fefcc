// What fields of groups may hold, whoever takes them (fields.ts).

/** The group of the whole organisation: it is there from the first start, and everybody is in it. */
export const ROOT = 'root';

/** How many groups are above each other at most, the whole organisation's among them. */
export const DEEPEST = 100;
