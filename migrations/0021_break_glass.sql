-- Where nobody else could decide, a site may let its only administrator approve what they have asked for themselves.
alter table approvals
    add column alone boolean not null default false,
    drop constraint approvals_four_eyes,
    add constraint approvals_four_eyes check (alone or decided_by is distinct from requested_by);
