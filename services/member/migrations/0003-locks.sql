-- What a member is (its status) and who is changing it (its lock) are apart: a lock says nothing of what others see.
alter table members drop constraint members_status_check, drop constraint members_check, drop constraint members_check1;
alter table members add column lock text;
update members set lock = case status when 'PENDING' then 'REGISTERING' else status end where status <> 'ACTIVE';
update members set status = 'ACTIVE' where status in ('UPDATING', 'DELETING');
alter table members
  add constraint status_known check (status in ('PENDING', 'ACTIVE')),
  add constraint lock_known check (lock in ('REGISTERING', 'UPDATING', 'DELETING')),
  add constraint lock_held check ((lock is null) = (lock_holder is null)),
  add constraint changes_pending check ((pending_changes is not null) = (lock is not distinct from 'UPDATING')),
  add constraint registering_while_pending check ((status = 'PENDING') = (lock is not distinct from 'REGISTERING'));
