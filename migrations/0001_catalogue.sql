-- The catalogue: people, their database instances, the operations on them, and the audit trail.
-- Ids are xid strings (20 characters, sortable by time of creation). Times are UTC.

create table people (
    id            text primary key,
    login         text not null check (login = lower(login) and login ~ '^[a-z0-9][a-z0-9._@-]{0,127}$'),
    email         text check (email = lower(email)),
    name          text not null,
    admin         boolean not null default false,
    password_hash text, -- argon2id; null for people whom a directory knows
    disabled_at   timestamptz,
    created_at    timestamptz not null default now()
);
create unique index people_login on people (login);
create unique index people_email on people (email);

create table tokens (
    id           text primary key,
    person_id    text not null references people,
    name         text not null check (length(name) between 1 and 100),
    scope        text not null check (scope in ('read', 'operate', 'admin')),
    hash         bytea not null unique, -- SHA-256 of the token: it has 160 random bits, so a slow hash would add nothing
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
create index tokens_person on tokens (person_id);

-- The portal's sessions, in the form that the session store reads; token is a hash.
create table sessions (
    token  text primary key,
    data   bytea not null,
    expiry timestamptz not null
);
create index sessions_expiry on sessions (expiry);

create table instances (
    id          text primary key,
    name        text not null check (name ~ '^[a-z][a-z0-9-]{1,38}[a-z0-9]$'),
    owner_id    text not null references people,
    engine      text not null,
    version     text not null,
    size        text not null,
    image       text not null,
    state       text not null check (state in ('creating', 'ready', 'stopped', 'restoring', 'deleting', 'trashed', 'deleted', 'failed')),
    node_id     text,
    host        text,
    generation  int not null default 1 check (generation > 0),
    username    text not null,
    database    text not null,
    extensions  text[] not null default '{}',
    description text not null default '',
    contact     text not null default '',
    phi         boolean not null default false,
    backup      text not null check (backup in ('daily', 'weekly', 'never')),
    expires_at  timestamptz,
    created_at  timestamptz not null default now(),
    ready_at    timestamptz,
    ended_at    timestamptz, -- when the name became free again
    constraint instances_ended check ((state in ('deleted', 'failed')) = (ended_at is not null)),
    constraint instances_ready_has_place check (state <> 'ready' or (node_id is not null and host is not null))
);
-- A name is unique among the instances that still hold it; what has ended keeps its row for the history.
create unique index instances_live_name on instances (name) where ended_at is null;
create index instances_owner on instances (owner_id);
create index instances_node on instances (node_id) where ended_at is null;

-- Every port of the configured range has a row, so that taking one is a row lock and nobody waits for another's.
create table ports (
    port        int primary key check (port between 1024 and 65535),
    instance_id text unique references instances,
    free_after  timestamptz not null default '-infinity', -- quarantine: clients may still try the old port
    note        text not null default ''
);
create index ports_free on ports (free_after, port) where instance_id is null;

-- Secrets of an instance, sealed with the key of MYDB_KEY_FILE. A secret that was handed over or burned has no row.
create table secrets (
    instance_id  text not null references instances,
    kind         text not null check (kind in ('server', 'owner', 'init_sql')),
    sealed       bytea not null,
    collected_at timestamptz, -- first handing over; the owner may repeat it for ten minutes
    created_at   timestamptz not null default now(),
    primary key (instance_id, kind)
);

create table operations (
    id           text primary key,
    instance_id  text not null references instances,
    kind         text not null check (kind in ('create')),
    state        text not null default 'queued' check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
    requested_by text not null references people,
    door         text not null,
    error_code   text,
    error        text,
    reference    text,
    created_at   timestamptz not null default now(),
    started_at   timestamptz,
    finished_at  timestamptz,
    constraint operations_finished check ((state in ('done', 'failed', 'cancelled')) = (finished_at is not null)),
    constraint operations_error check ((state = 'failed') = (error is not null))
);
-- Work on an instance is exclusive: at most one operation of it is under way.
create unique index operations_active on operations (instance_id) where finished_at is null;
create index operations_instance on operations (instance_id, created_at);

create table operation_steps (
    operation_id text not null references operations,
    seq          int not null,
    name         text not null,
    state        text not null check (state in ('running', 'done', 'failed')),
    detail       text not null default '',
    started_at   timestamptz not null default now(),
    finished_at  timestamptz,
    primary key (operation_id, seq)
);

-- Idempotency: the same key of the same person again is answered with the same receipt.
create table requests (
    person_id  text not null references people,
    key        text not null check (length(key) between 1 and 200),
    digest     bytea not null, -- keyed hash of the command: a body may hold a password
    receipt    jsonb,
    created_at timestamptz not null default now(),
    primary key (person_id, key)
);
create index requests_created on requests (created_at);

-- Append-only: the application's role may insert and select, nothing else. No foreign keys, so that it outlives all it tells of.
create table audit (
    id          bigint generated always as identity primary key,
    at          timestamptz not null default now(),
    actor_id    text not null,
    actor       text not null,
    door        text not null,
    address     text not null default '',
    action      text not null,
    instance_id text not null default '',
    subject     text not null default '',
    outcome     text not null check (outcome in ('accepted', 'refused', 'done', 'failed')),
    data        jsonb not null default '{}'
);
create index audit_instance on audit (instance_id, at);
create index audit_at on audit (at);

-- Workers that are alive hold a session advisory lock on their client id; a row without a lock is a worker that died.
create table workers (
    client_id  text primary key,
    lock_key   bigint not null,
    node_id    text not null,
    started_at timestamptz not null default now(),
    missed_at  timestamptz -- first time that the lock was found free
);

-- What belongs to the whole site, such as the certificate authority.
create table site (
    key    text primary key,
    value  bytea not null,
    sealed boolean not null
);

-- Those who watch an operation (SSE, chat) are told of each change of it by notification, after the commit. Its insert needs none:
-- nobody can watch yet, and transactions that notify commit one after the other, each with a flush to disk of its own.
create function notify_operation() returns trigger language plpgsql as $$
begin
    perform pg_notify('mydb_operation', coalesce(to_jsonb(new)->>'operation_id', to_jsonb(new)->>'id'));
    return null;
end $$;
create trigger operations_notify after update on operations for each row execute function notify_operation();
create trigger operation_steps_notify after insert or update on operation_steps for each row execute function notify_operation();
