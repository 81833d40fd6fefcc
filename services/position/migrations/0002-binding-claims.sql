-- Jobs that are next at what a member is bound to in a group: while there is one, no other job begins with that. It takes nothing yet, and does
-- not wait for who is at it. It goes once its job has begun, or is undone.
create table binding_claims (
  group_id    text not null,
  member_id   text not null,
  lock_holder text not null,
  primary key (group_id, member_id, lock_holder)
);
