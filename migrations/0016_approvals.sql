-- What somebody has to approve may be about more than an instance, such as one of its backups, and is done to what it was asked about.
alter table approvals
    add column about text not null default '', -- beside the instance, such as a backup's id
    add column basis jsonb;                    -- the owner, size, version and so on at the time; null: of an older version of MyDB
drop index approvals_pending;
create unique index approvals_pending on approvals (instance_id, action, about) where state = 'pending';
