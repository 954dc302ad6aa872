-- The audit trail proves itself: one process seals what was committed, each row with a hash of itself and of the row before. A row is
-- sealed once no older transaction is under way any more, so that the order of sealing has no holes.
alter table audit add column txid xid8 not null default '0'; -- rows from before are sealed first
alter table audit alter column txid set default pg_current_xact_id();
create index audit_txid on audit (txid, id);

create table audit_chain (
    seq      bigint primary key,
    audit_id bigint not null unique,
    hash     bytea not null
);
-- Up to which transaction everything is sealed.
create table audit_batches (
    last_seq bigint primary key,
    upto     xid8 not null,
    at       timestamptz not null default now()
);
-- What was written into the store of backups, where the database cannot change it.
create table audit_anchors (
    seq      bigint primary key,
    hash     bytea not null,
    at       timestamptz not null default now(),
    location text not null
);
-- What the operator has taken away because its time was over. The chain goes on from there.
create table audit_pruned (
    seq  bigint primary key, -- the last one that is gone
    hash bytea not null,     -- its hash
    rows bigint not null,
    at   timestamptz not null default now(),
    by   text not null
);
