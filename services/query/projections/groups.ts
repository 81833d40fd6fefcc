import { z } from 'zod';
import { nameKey } from '#platform/validation/group-fields.ts';
import { searchText } from '../domain.ts';
import { defineProjection } from './projection.ts';

/** group.events → groups. Its parent may come after it, or be gone before it. */
export const groups = defineProjection({
  aggregateType: 'group',
  table: 'groups',
  payload: {
    group: z
      .object({
        parentId: z.string().optional(),
        name: z.string().default(''),
        description: z.string().default(''),
        // Any: one of a newer release is one of a group that is there.
        visibility: z.string().default('VISIBILITY_UNSPECIFIED'),
        tags: z.array(z.object({ name: z.string(), ids: z.array(z.string()) })).default([]),
        tagIds: z.array(z.string()).default([]),
        archivedAt: z.iso.datetime({ offset: true }).optional(),
        createdAt: z.iso.datetime({ offset: true }),
        updatedAt: z.iso.datetime({ offset: true }),
      })
      .optional(),
  },
  columns: {
    parent_id: 'text',
    name: 'text',
    description: 'text',
    visibility: 'text',
    tags: 'text[]',
    tag_keys: 'text[]',
    tag_set: 'jsonb',
    tag_ids: 'text[]',
    search: 'text',
    archived_at: 'timestamptz',
    created_at: 'timestamptz',
    updated_at: 'timestamptz',
  },
  row: ({ group }) =>
    group && {
      parent_id: group.parentId,
      name: group.name,
      description: group.description,
      visibility: group.visibility,
      tags: group.tags.map(({ name }) => name),
      tag_keys: group.tags.map(({ name }) => nameKey(name)),
      tag_set: group.tags.map((tag) => ({ ...tag, key: nameKey(tag.name) })),
      tag_ids: group.tagIds,
      search: searchText([group.name]),
      archived_at: group.archivedAt,
      created_at: group.createdAt,
      updated_at: group.updatedAt,
    },
});
