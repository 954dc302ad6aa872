-- Links by which one person gets something once: a backup to take away, or a password. An address holds a token of 160 random bits, and
-- the row its SHA-256. A link without a hash was made, and its person has not asked for the address yet.
create table links (
    id           text primary key,
    kind         text not null check (kind in ('download', 'secret')),
    instance_id  text not null references instances,
    backup_id    text references backups,
    person_id    text not null references people,
    approved     boolean not null default false, -- by somebody else
    hash         bytea unique,
    attempts     int not null default 0,         -- how often it was used: a download that broke off may be repeated
    created_at   timestamptz not null,
    expires_at   timestamptz not null,
    used_at      timestamptz,                    -- the first time
    used_address text not null default '',       -- the latest
    done_at      timestamptz,                    -- when the person had all of it
    revoked_at   timestamptz,
    constraint links_backup check ((kind = 'download') = (backup_id is not null)),
    constraint links_used check ((attempts > 0) = (used_at is not null))
);
create index links_person on links (person_id, instance_id);
create index links_expires on links (expires_at);

-- What a restore or a verification has counted, for the history: a backup keeps its newest receipt alone.
alter table operations add column receipt jsonb;
