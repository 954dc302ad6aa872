-- What the directory has said of people since they logged in last.
alter table people
    add column asked_at      timestamptz, -- when it was asked last, whatever came of it
    add column answered_at   timestamptz, -- when it said last that they are there and may log in
    add column missing_since timestamptz, -- when it said first, and never otherwise since, that they are gone or may not log in
    add column missing_at    timestamptz, -- when it said so last
    add column missing_why   text not null default '' check (missing_why in ('', 'left', 'disabled')),
    -- why MyDB has disabled them: a login, or an answer that they are there, takes that back. Empty for whom an operator has disabled.
    add column gone_why      text not null default '' check (gone_why in ('', 'left', 'disabled'));
create index people_asked on people (asked_at nulls first) where disabled_at is null;

-- Shares with a group. Each of its people has an account of their own, which is made and removed as they join and leave.
create table group_shares (
    instance_id text not null references instances,
    group_name  text not null,
    writes      boolean not null default false,
    ends_at     timestamptz,
    created_by  text not null references people,
    created_at  timestamptz not null default now(),
    primary key (instance_id, group_name)
);
-- An account that was taken back from one person of a group, which does not bring it again.
alter table accounts add column kept_out boolean not null default false;

-- Shares by name had the name in the place of a group.
update accounts a set group_name = '' where group_name <> '' and not exists (select from people p where a.group_name = any(p.groups));
insert into group_shares (instance_id, group_name, writes, ends_at, created_by, created_at)
    select distinct on (instance_id, group_name) instance_id, group_name, writes, ends_at, created_by, created_at from accounts
    where group_name <> '' and revoked_at is null and kind = 'share' order by instance_id, group_name, id desc;
