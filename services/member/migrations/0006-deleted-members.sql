-- Members that were deleted, for ever: what a restored copy brings back of them is erased again.
create table deleted_members (
  member_id    text collate "C" primary key,
  -- Of the last event that told of it.
  version      bigint not null check (version > 0),
  -- Null until it was erased for the first time.
  erased_at    timestamptz,
  -- How often Kafka was told to forget what it has of the member, and when last.
  tombstones   int not null default 0,
  tombstone_at timestamptz
);
