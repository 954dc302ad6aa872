-- That a backup was opened with nothing but an escrow key, on some machine that can reach the store.
create table escrow_proofs (
    id        text primary key,
    escrow    text not null, -- the public key
    backup_id text not null references backups,
    level     text not null check (level in ('read', 'restored')),
    at        timestamptz not null default now(),
    by_whom   text not null, -- who says so: a person at a terminal, whom the catalogue need not know
    detail    text not null default ''
);
create index escrow_proofs_escrow on escrow_proofs (escrow, at);

-- What lies in the store and belongs to no backup, as the newest look has found it. Listed, and never deleted by MyDB.
create table store_orphans (
    folder     text primary key,
    reason     text not null check (reason in ('unknown', 'failed', 'expired', 'unfinished', 'strange')),
    objects    bigint not null,
    bytes      bigint not null,
    written_at timestamptz not null -- the newest object
);
create table store_looks (
    id      int primary key default 1 check (id = 1),
    at      timestamptz not null,
    orphans bigint not null, -- folders, also those that were too many to be listed
    bytes   bigint not null
);

-- The heartbeat of the guard, which something outside waits for.
create table heartbeats (
    id       int primary key default 1 check (id = 1),
    tried_at timestamptz not null,
    sent_at  timestamptz, -- the last that arrived
    problem  text not null default ''
);

-- A backup that has expired and that the store does not let go yet is tried again later.
alter table backups
    add column leave_after timestamptz,
    add column leave_note  text not null default '';

-- How much room the disk of a node has for volumes, as it says itself.
alter table inventories add column free_bytes bigint; -- null: it cannot see that
