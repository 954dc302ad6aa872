-- Backups of MyDB's own database, and recoveries from them. The manifest in the store is the truth about one; the row is what this
-- database knows of it. The rows are the schedule, too: the next one is due when the newest is old enough.
create table catalogue_backups (
    id          text primary key,
    state       text not null default 'running' check (state in ('running', 'done', 'failed', 'expired')),
    created_at  timestamptz not null,
    finished_at timestamptz,
    schema      int,    -- the version of the schema that it is of
    rows        bigint, -- in all tables
    size        bigint, -- bytes in the store
    sha256      text,   -- of manifest.json, which has those of the parts
    location    text not null default '',
    error       text not null default '',
    constraint catalogue_backups_finished check ((state = 'running') = (finished_at is null)),
    constraint catalogue_backups_done check (state <> 'done' or (sha256 is not null and schema is not null))
);

-- After a recovery, everything that takes something away stands still until an administrator has accepted what differs.
create table recoveries (
    id          text primary key,
    at          timestamptz not null,
    backup_id   text not null default '', -- of this database; empty: from the manifests in the store alone
    backup_at   timestamptz,
    differences jsonb not null default '[]',
    accepted_at timestamptz,
    accepted_by text not null default '', -- login
    constraint recoveries_accepted check ((accepted_at is null) = (accepted_by = ''))
);
create unique index recoveries_open on recoveries ((true)) where accepted_at is null;

-- Instances that a recovery has found running in another state than the catalogue says are measured before they count as ready.
alter table instances add column recovered_at timestamptz; -- null: nothing is left to be measured
create index instances_recovered on instances (id) where recovered_at is not null;
insert into operation_kinds values ('adopt');
