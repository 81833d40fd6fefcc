create table rooms (
  id         text collate "C" primary key,
  version    bigint not null,
  gone_at    timestamptz,
  kind       text,
  name       text,
  created_at timestamptz(3),
  updated_at timestamptz(3)
);
create index rooms_gone on rooms (gone_at) where gone_at is not null;

-- Of these, the IDs are those of room and member with a slash between.
create table room_members (
  id        text collate "C" primary key,
  version   bigint not null,
  gone_at   timestamptz,
  room_id   text collate "C",
  member_id text collate "C",
  owner     boolean,
  joined_at timestamptz(3)
);
create index room_members_by_joined on room_members (room_id, joined_at, member_id) where gone_at is null;
create index room_members_of on room_members (member_id, room_id) where gone_at is null;
create index room_members_gone on room_members (gone_at) where gone_at is not null;

create table messages (
  id          text collate "C" primary key,
  version     bigint not null,
  gone_at     timestamptz,
  room_id     text collate "C",
  sequence    bigint,
  -- Empty: who said it is gone.
  member_id   text collate "C",
  -- Empty: it was deleted, and has its place still.
  text        text,
  reply_to_id text collate "C",
  reactions   jsonb,
  -- Who said it, and who reacted: whom it is to forget once they are deleted.
  people      text[],
  created_at  timestamptz(3),
  edited_at   timestamptz(3),
  deleted_at  timestamptz(3)
);
create index messages_within on messages (room_id, sequence) where gone_at is null;
create index messages_of on messages using gin (people) where gone_at is null;
create index messages_gone on messages (gone_at) where gone_at is not null;
