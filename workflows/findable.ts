import type { Visibility } from '#proto/musubi/group/v1/group.ts';

/** Whether everybody finds a group of that visibility, as Auth is told. (Group and Query have their own words for visibilities.) */
export const isFindable = (visibility: Visibility | undefined): boolean => visibility !== 'VISIBILITY_INVITATION';
