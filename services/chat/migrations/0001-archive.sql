-- Messages as Redis has had them: all of a room, also when Redis keeps its newest only.
create table messages (
  message_id text primary key collate "C",
  room_id text not null collate "C",
  sequence bigint not null,
  version bigint not null,
  -- Who said it, and whoever has put an emoji on it.
  member_ids text[] not null,
  -- As Redis has it, musubi.chat.v1.Message; not JSONB, which would write it otherwise.
  body text not null
);
create index messages_of_room on messages (room_id, sequence);
create index messages_of_member on messages using gin (member_ids);
