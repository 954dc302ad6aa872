package core

import "context"

// Timeline lists what was done with an instance, and what was refused, newest first: for its owner, for who leads its owner, and for those who
// read the audit trail. Where somebody was and who they are in a chat is for the last of these alone. next is the cursor of the next page, or
// empty. Errors: CodeNotFound, CodeForbidden for those who see the instance by a share, CodeInvalid.
func (s *Service) Timeline(ctx context.Context, actor Actor, name string, page Page) (i Instance, list []AuditEntry, next string, err error) {
	if i, err = s.Instance(ctx, actor, name); err != nil {
		return i, nil, "", err
	}
	may, err := s.Overlooks(ctx, actor, i)
	if err != nil {
		return i, nil, "", err
	}
	if !may {
		return i, nil, "", Errorf(CodeForbidden, "Only %s, who owns %s, and administrators may see what was done with it.", i.Owner, i.Name)
	}
	if list, next, err = s.trail(ctx, AuditFilter{Database: i.ID}, page); err != nil || actor.Oversees() {
		return i, list, next, err
	}
	for n := range list {
		list[n].Address, list[n].Chat = "", nil
		delete(list[n].Data, "request")
	}
	return i, list, next, nil
}
