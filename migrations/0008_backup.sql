-- Backups. The manifest in the store is the truth about one; the row is what the catalogue knows of it.
create table backups (
    id           text primary key,
    instance_id  text not null references instances,
    operation_id text not null references operations deferrable initially deferred,
    reason       text not null check (reason in ('asked', 'schedule', 'final', 'safety')),
    requested_by text not null references people,
    state        text not null default 'running' check (state in ('running', 'done', 'verified', 'failed', 'expired')),
    created_at   timestamptz not null default now(),
    finished_at  timestamptz,
    size         bigint, -- bytes in the store
    sha256       text,   -- of manifest.json, which has those of the parts
    location     text not null default '',
    manifest     jsonb,
    verified_at  timestamptz,
    receipt      jsonb,  -- of the newest verification, also of one that failed
    error        text not null default '',
    pinned_at    timestamptz,
    pinned_by    text references people,
    pin_note     text not null default '',
    expired_at   timestamptz, -- when retention took it out of the store
    constraint backups_finished check ((state = 'running') = (finished_at is null)),
    constraint backups_manifest check (state not in ('done', 'verified') or manifest is not null)
);
create index backups_instance on backups (instance_id, id);
create index backups_operation on backups (operation_id);
create index backups_verify on backups (id) where state = 'done';

alter table instances
    add column next_backup_at timestamptz, -- null: to be reckoned
    add column restored_from  text references backups;

alter table operations
    drop constraint operations_kind_check,
    add constraint operations_kind_check check (kind in ('create', 'restart', 'stop', 'start', 'rotate', 'resize', 'share', 'unshare', 'account',
        'transfer', 'extend', 'describe', 'delete', 'undelete', 'purge', 'expire', 'heal', 'backup', 'verify', 'restore', 'pin', 'unpin'));

-- A verification works on a copy, so it goes on beside everything else.
drop index operations_active;
create unique index operations_active on operations (instance_id) where finished_at is null and kind <> 'verify';
create unique index operations_verifying on operations (instance_id) where finished_at is null and kind = 'verify';
