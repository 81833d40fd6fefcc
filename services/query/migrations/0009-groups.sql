create table groups (
  id          text collate "C" primary key,
  version     bigint not null,
  gone_at     timestamptz,
  -- Null: it is the whole organisation. There are no paths: what is above and below is looked up, so a move is one row.
  parent_id   text collate "C",
  name        text collate "und-x-icu",
  description text,
  visibility  text,
  -- The names of its own set of tags, and the same in the form in which they are compared.
  tags        text[],
  tag_keys    text[],
  -- Of each of them its name in both forms, and the IDs by which it is carried.
  tag_set     jsonb,
  -- What it carries, of the set of the group that it is in.
  tag_ids     text[],
  -- The words of the name, in the form that search words are brought to (domain.ts).
  search      text,
  archived_at timestamptz(3),
  created_at  timestamptz(3),
  updated_at  timestamptz(3)
);
create index groups_listed on groups (name, id) where gone_at is null;
create index groups_within on groups (parent_id, name, id) where gone_at is null;
-- The other orders in which they are listed: all, and those within one.
create index groups_by_created on groups (created_at, id) where gone_at is null;
create index groups_by_updated on groups (updated_at, id) where gone_at is null;
create index groups_within_by_created on groups (parent_id, created_at, id) where gone_at is null;
create index groups_within_by_updated on groups (parent_id, updated_at, id) where gone_at is null;
create index groups_search on groups using gin (search gin_trgm_ops) where gone_at is null;
create index groups_tagged on groups using gin (tag_keys);
create index groups_carrying on groups using gin (tag_ids);
create index groups_gone on groups (gone_at) where gone_at is not null;

-- Of these, the IDs are those of group and member with a dot between.
create table memberships (
  id        text collate "C" primary key,
  version   bigint not null,
  gone_at   timestamptz,
  group_id  text collate "C",
  member_id text collate "C",
  -- Null: the member is not in the group, but has asked to be, is invited, or was put out.
  joined_at timestamptz(3),
  -- What it carries, of the group's own set.
  tag_ids   text[],
  requested_at   timestamptz(3),
  message        text,
  declined_at    timestamptz(3),
  decline_reason text,
  invited_at  timestamptz(3),
  inviter_id  text collate "C",
  until       timestamptz(3),
  expelled_at timestamptz(3),
  reason      text
);
create index memberships_carrying on memberships using gin (tag_ids);
create index memberships_in on memberships (group_id, member_id) where joined_at is not null;
create index memberships_by_joined on memberships (group_id, joined_at, member_id) where joined_at is not null;
create index memberships_of on memberships (member_id, group_id) where joined_at is not null;
-- Who has asked or is invited, in the order of groups and of members.
create index memberships_asked on memberships (group_id, member_id) where requested_at is not null and declined_at is null;
create index memberships_invited on memberships (group_id, member_id) where invited_at is not null;
create index memberships_beside on memberships (member_id, group_id) where joined_at is null and gone_at is null;
create index memberships_gone on memberships (gone_at) where gone_at is not null;

create table bindings (
  id           text collate "C" primary key,
  version      bigint not null,
  gone_at      timestamptz,
  group_id     text collate "C",
  member_id    text collate "C",
  position_ids text[],
  -- Each with since when and until when.
  bindings     jsonb
);
create index bindings_of on bindings (member_id) where gone_at is null;
create index bindings_by_position on bindings using gin (position_ids);
create index bindings_gone on bindings (gone_at) where gone_at is not null;

create table positions (
  id          text collate "C" primary key,
  version     bigint not null,
  gone_at     timestamptz,
  group_id    text collate "C",
  name        text collate "und-x-icu",
  kind        text,
  permissions jsonb,
  created_at  timestamptz(3),
  updated_at  timestamptz(3)
);
create index positions_within on positions (group_id, name, id) where gone_at is null;
create index positions_gone on positions (gone_at) where gone_at is not null;
