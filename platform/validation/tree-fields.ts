import { z } from 'zod';
import { DEEPEST } from './group-fields.ts';

// What may be asked of a tree of groups (fields.ts).

/** How many groups of a tree are in one answer at most. */
export const MOST_OF_A_TREE = 10_000;

/** How many a service is asked for: 0, proto3's absent number, stands for the default. */
export const treePageSize = z.int().min(0).max(MOST_OF_A_TREE);

/** How far below a group others are; 0 stands for the default. */
export const treeDepth = z.int().min(0).max(DEEPEST);
