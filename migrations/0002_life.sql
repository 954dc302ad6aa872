-- The life of an instance after its creation: what is known about it, further accounts, approvals, measurements, findings.

alter table people add column groups text[] not null default '{}';

alter table instances
    add column department         text not null default '',
    add column pi                 text not null default '', -- login or mail address of the principal investigator or manager
    add column application        text not null default '',
    add column project            text not null default '', -- or grant
    add column support            text not null default 'standard',
    add column backup_window      text not null default '', -- such as 01:00-05:00, in the site's time zone
    add column maintenance_window text not null default '', -- such as sun 02:00-06:00
    add column template           text not null default '',
    add column settings           jsonb not null default '{}', -- extra server settings from the catalogue's list
    add column init_until         timestamptz,                 -- after it, an empty data directory is missing data
    add column restarts           int not null default 0,      -- those that were asked for; a change restarts the task
    add column stopped_at         timestamptz,
    add column stopped_why        text not null default '',    -- owner, expired or trashed
    add column trashed_at         timestamptz,
    add column purge_at           timestamptz,
    add column last_login_at      timestamptz;                 -- the latest that sampling has seen
create index instances_purge on instances (purge_at) where purge_at is not null;
create index instances_expiry on instances (expires_at) where expires_at is not null and ended_at is null;

alter table operations
    drop constraint operations_kind_check,
    add constraint operations_kind_check check (kind in ('create', 'restart', 'stop', 'start', 'rotate', 'resize', 'share', 'unshare', 'account',
        'transfer', 'extend', 'describe', 'delete', 'undelete', 'purge', 'expire', 'heal')),
    add column args jsonb not null default '{}'; -- what the worker needs to know; never a secret

-- Further accounts on an instance: of people whom the owner shares with, and of pipelines. Their passwords are in secrets, with
-- the kind account:<id>, until they were collected.
create table accounts (
    id          text primary key,
    instance_id text not null references instances,
    kind        text not null check (kind in ('share', 'service')),
    person_id   text references people,
    group_name  text not null default '', -- the group that the share is with, when it came by one
    username    text not null,
    writes      boolean not null default false,
    ends_at     timestamptz,
    created_by  text not null references people,
    created_at  timestamptz not null default now(),
    made_at     timestamptz, -- when the account was there and proven
    revoked_at  timestamptz, -- when it was gone
    constraint accounts_share_person check ((kind = 'share') = (person_id is not null))
);
create unique index accounts_username on accounts (instance_id, username) where revoked_at is null;
create unique index accounts_person on accounts (instance_id, person_id) where revoked_at is null and kind = 'share';
create index accounts_ends on accounts (ends_at) where ends_at is not null and revoked_at is null;

alter table secrets
    drop constraint secrets_kind_check,
    add constraint secrets_kind_check check (kind in ('server', 'owner', 'init_sql', 'next') or kind like 'account:%');

-- Approvals are bound to what was asked, are decided once, and expire.
create table approvals (
    id           text primary key,
    instance_id  text not null references instances,
    action       text not null,
    args         jsonb not null default '{}',
    requested_by text not null references people,
    door         text not null,
    reason       text not null default '', -- of the requester
    state        text not null default 'pending' check (state in ('pending', 'approved', 'denied', 'expired', 'withdrawn')),
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    decided_by   text references people,
    decided_at   timestamptz,
    decision     text not null default '', -- the reason that the decider gave
    operation_id text references operations,
    constraint approvals_decided check ((state in ('approved', 'denied')) = (decided_by is not null)),
    constraint approvals_four_eyes check (decided_by is distinct from requested_by)
);
create unique index approvals_pending on approvals (instance_id, action) where state = 'pending';
create index approvals_created on approvals (created_at);

-- How an instance was doing, every few minutes. Old rows are thinned out.
create table samples (
    instance_id     text not null references instances,
    at              timestamptz not null default now(),
    up              boolean not null,
    up_since        timestamptz,
    bytes           bigint,
    connections     int,
    max_connections int,
    longest_query   double precision, -- seconds
    restarts        int,              -- of the task, since the sample before
    error           text not null default '',
    primary key (instance_id, at)
);

-- What is wrong now or was: alarms on an instance, and differences between the cluster and the catalogue.
create table findings (
    id          text primary key,
    kind        text not null, -- such as disk, connections, crash_loop, service_missing, unknown_volume
    instance_id text references instances,
    subject     text not null, -- the thing, such as a service's or a volume's name
    message     text not null, -- a sentence for an administrator
    severity    text not null check (severity in ('info', 'warning', 'alarm')),
    action      text not null default '', -- what MyDB did about it
    first_at    timestamptz not null default now(),
    last_at     timestamptz not null default now(),
    resolved_at timestamptz
);
create unique index findings_open on findings (kind, subject) where resolved_at is null;
create index findings_instance on findings (instance_id, first_at);

-- Reminders that were sent, so that each goes out once for each date of expiry.
create table reminders (
    instance_id text not null references instances,
    expires_at  timestamptz not null,
    days        int not null,
    sent_at     timestamptz not null default now(),
    primary key (instance_id, expires_at, days)
);
