-- What people are beside users and administrators. It follows from the groups that they are in, by the policy of the site, and is
-- reckoned whenever the directory was asked, and when the policy changes.
alter table people
    add column auditor boolean not null default false,
    add column leads   text[] not null default '{}'; -- groups of whose members they see the databases
create index people_groups on people using gin (groups);

-- Where two people have to approve, what the first of them said. The second decides.
create table approval_votes (
    approval_id text not null references approvals (id),
    person_id   text not null references people (id),
    door        text not null,
    reason      text not null default '',
    at          timestamptz not null,
    primary key (approval_id, person_id)
);
