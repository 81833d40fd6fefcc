-- What names have in common that look alike (platform/validation/skeleton.ts). Rows of before get theirs when the service starts.
alter table members
  add column display_skeleton text collate "C",
  add column login_skeleton text collate "C";
create index members_display_skeleton on members (display_skeleton) where visible;
create index members_login_skeleton on members (login_skeleton) where visible;
create index members_without_skeleton on members (id) where display_skeleton is null and gone_at is null;
