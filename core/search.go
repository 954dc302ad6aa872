package core

import (
	"context"
	"fmt"
)

// Filter says which instances of a list are wanted. What is empty leaves nothing out.
type Filter struct {
	All        bool   // everything that the actor sees; for administrators, auditors and leads
	Text       string // somewhere in the name or in what is said about it, whatever the case
	Engine     string
	State      string
	Department string // whatever the case
	Owner      string // login
	PHI        *bool
	Class      string
}

// Search lists the instances that the actor may see and that fit, newest first. Instances that ended stay in the list for a day, so
// that nobody wonders where a failed one went. next is the cursor of the next page, or empty. Errors: CodeForbidden, CodeInvalid.
func (s *Service) Search(ctx context.Context, actor Actor, f Filter, page Page) (list []Instance, next string, err error) {
	if err := actor.needs(ScopeRead); err != nil {
		return nil, "", err
	}
	see, err := s.sightOfAll(actor, f.All, "Only administrators may list everybody's databases.")
	if err != nil {
		return nil, "", err
	}
	for field, text := range map[string]string{"q": f.Text, "engine": f.Engine, "state": f.State, "department": f.Department, "owner": f.Owner, "class": f.Class} {
		if err := checkText(field, text, 200); err != nil {
			return nil, "", err
		}
	}
	list, err = many[Instance](ctx, s.db, selectInstance+`where ($1 and (not i.phi or $5) or i.owner_id = $2 or `+ledBy("$13")+` or `+sharedWith+`) and i.owner_id <> '`+systemPerson+`'
		and ($3 = '' or (i.created_at, i.id) < (select created_at, id from instances where id = $3))
		and ($6 = '' or position(lower($6) in lower(concat_ws(' ', i.name, i.description, i.contact, i.department, i.pi, i.application, i.project, i.class, p.login))) > 0)
		and ($7 = '' or i.engine = $7) and ($8 = '' or i.state = $8) and ($9 = '' or lower(i.department) = lower($9))
		and ($10 = '' or p.login = lower($10)) and ($11::boolean is null or i.phi = $11) and ($12 = '' or i.class = $12)
		and (i.ended_at is null or i.ended_at > now() - interval '1 day') order by i.created_at desc, i.id desc limit $4`,
		see.all, actor.ID, page.Cursor, page.limit()+1, see.phi, f.Text, f.Engine, f.State, f.Department, f.Owner, f.PHI, f.Class, see.led)
	if err != nil {
		return nil, "", fmt.Errorf("list instances: %w", err)
	}
	if len(list) > page.limit() {
		list = list[:page.limit()]
		next = list[len(list)-1].ID
	}
	return list, next, asSeen(ctx, s.db, actor, list)
}
