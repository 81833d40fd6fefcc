alter table members add column status text, add column suspended_at timestamptz(3), add column suspension_reason text;
-- What was told before was a PENDING member, which is not shown, or an active one.
update members set status = case when visible then 'ACTIVE' else 'PENDING' end where gone_at is null;
