package evidence

// tables are the records of a bundle. Each column of a query is text. @since and @until are the first moments of the year and of the next.
// Nothing in them is a secret: passwords, keys and hashes of tokens are in no table that is read here.
var tables = []struct{ name, about, query string }{
	{"people.csv", "Who could do what: everybody's roles and groups, as they are now", `
		select login, name, email, case when admin then 'admin' when auditor then 'auditor' when cardinality(leads) > 0 then 'lead' else 'user' end as role,
			array_to_string(leads, ' ') as leads_groups, array_to_string(groups, ' ') as groups, ` + utc("created_at") + ` as known_since, ` + utc("disabled_at") + ` as disabled_at
		from people where created_at < @until order by login`},
	{"databases.csv", "Every database that there was in the year, with its owner and whether it holds health data about persons", `
		select i.id, i.name, i.engine, i.version, i.size, p.login as owner, i.phi::text as phi, i.state, i.department, i.pi, i.project, i.support,
			` + utc("i.created_at") + ` as created_at, ` + utc("i.trashed_at") + ` as trashed_at, ` + utc("i.ended_at") + ` as ended_at
		from instances i join people p on p.id = i.owner_id
		where i.state <> 'spare' and i.created_at < @until and coalesce(i.ended_at, @since) >= @since order by i.id`},
	{"access.csv", "Who else had access to a database, with what right, from when to when", `
		select i.name as database, i.id as database_id, i.phi::text as phi, a.kind, coalesce(p.login, '') as person, coalesce(a.group_name, '') as through_group, a.username as account,
			case when a.writes then 'write' else 'read' end as may, coalesce(c.login, '') as given_by, ` + utc("a.created_at") + ` as given_at,
			` + utc("a.ends_at") + ` as ends_at, ` + utc("a.revoked_at") + ` as taken_away_at
		from accounts a join instances i on i.id = a.instance_id left join people p on p.id = a.person_id left join people c on c.id = a.created_by
		where a.created_at < @until and coalesce(a.revoked_at, @since) >= @since order by a.id`},
	{"tokens.csv", "Tokens of the API, with what they may", `
		select p.login as person, t.name, t.scope, ` + utc("t.created_at") + ` as created_at, ` + utc("t.expires_at") + ` as expires_at,
			` + utc("t.last_used_at") + ` as last_used_at, ` + utc("t.revoked_at") + ` as revoked_at
		from tokens t join people p on p.id = t.person_id where t.created_at < @until and coalesce(t.revoked_at, t.expires_at, @since) >= @since order by t.id`},
	{"approvals.csv", "What needed an approval, who asked, who decided and why", `
		select a.id, a.action, i.name as database, a.instance_id as database_id, i.phi::text as phi, a.about, r.login as requested_by, a.door, a.reason as request_reason,
			` + utc("a.created_at") + ` as requested_at, a.state, coalesce(d.login, '') as decided_by, ` + utc("a.decided_at") + ` as decided_at, coalesce(a.decision, '') as decision_reason,
			a.alone::text as alone, coalesce((select string_agg(v.login || ' (' || coalesce(nullif(w.reason, ''), 'no reason given') || ')', '; ' order by w.at)
				from approval_votes w join people v on v.id = w.person_id where w.approval_id = a.id), '') as first_approval_by
		from approvals a join instances i on i.id = a.instance_id join people r on r.id = a.requested_by left join people d on d.id = a.decided_by
		where a.created_at < @until and coalesce(a.decided_at, a.expires_at) >= @since order by a.id`},
	{"backups.csv", "Every backup that was made, what was proven of it, and with what receipt", `
		select b.id, i.name as database, b.instance_id as database_id, i.phi::text as phi, b.reason, p.login as requested_by, b.state, ` + utc("b.created_at") + ` as began_at,
			` + utc("b.finished_at") + ` as finished_at, coalesce(b.size::text, '') as bytes, coalesce(b.sha256, '') as sha256, b.location, ` + utc("b.verified_at") + ` as verified_at,
			coalesce(b.receipt::text, '') as receipt, b.error, ` + utc("b.expired_at") + ` as expired_at
		from backups b join instances i on i.id = b.instance_id join people p on p.id = b.requested_by
		where b.created_at >= @since and b.created_at < @until order by b.id`},
	{"restores.csv", "Every verification, restore and undo, with how it ended and its receipt", `
		select o.id, o.kind, i.name as database, o.instance_id as database_id, i.phi::text as phi, coalesce(o.args->>'backup_id', '') as backup, p.login as requested_by, o.door, o.state,
			` + utc("o.created_at") + ` as requested_at, ` + utc("o.finished_at") + ` as finished_at, coalesce(o.receipt::text, '') as receipt, coalesce(o.error, '') as error
		from operations o join instances i on i.id = o.instance_id join people p on p.id = o.requested_by
		where o.kind in ('verify', 'restore', 'restore_in_place', 'undo', 'import') and o.created_at >= @since and o.created_at < @until order by o.id`},
	{"exceptions.csv", "What was not as it should be: decisions that one person made alone, failed backups, verifications and restores, alarms, refusals", `
		select * from (
			select ` + utc("a.decided_at") + ` as at, 'decided alone' as kind, i.name as database, d.login as person, a.action || ': ' || coalesce(a.decision, '') as detail
				from approvals a join instances i on i.id = a.instance_id join people d on d.id = a.decided_by
				where a.alone and a.decided_at >= @since and a.decided_at < @until
			union all select ` + utc("o.created_at") + `, o.kind || ' failed', i.name, p.login, coalesce(o.error, '')
				from operations o join instances i on i.id = o.instance_id join people p on p.id = o.requested_by
				where o.state = 'failed' and o.kind in ('backup', 'verify', 'restore', 'restore_in_place', 'undo') and o.created_at >= @since and o.created_at < @until
			union all select ` + utc("f.first_at") + `, 'alarm: ' || f.kind, coalesce(i.name, ''), '', f.message || case when f.resolved_at is null then '' else ' (over since ' || ` + utc("f.resolved_at") + ` || ')' end
				from findings f left join instances i on i.id = f.instance_id where f.first_at < @until and coalesce(f.resolved_at, @until) >= @since
			union all select ` + utc("a.at") + `, 'refused: ' || a.action, a.subject, a.actor, 'from ' || a.door || ' at ' || a.address
				from audit a where a.outcome = 'refused' and a.at >= @since and a.at < @until
		) e order by 1`},
	{"audit.csv", "The audit trail of the year. seq and hash are its place in the chain that proves it", `
		select coalesce(c.seq::text, '') as seq, a.id::text as id, ` + utc("a.at") + ` as at, a.actor, a.door, a.address, a.action, a.instance_id as database_id, a.subject, a.outcome,
			a.data::text as data, coalesce(encode(c.hash, 'hex'), '') as hash
		from audit a left join audit_chain c on c.audit_id = a.id where a.at >= @since and a.at < @until order by a.id`},
}

// utc writes a moment, as RFC 3339 in UTC; nothing when there is none.
func utc(column string) string {
	return `coalesce(to_char(` + column + ` at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), '')`
}
