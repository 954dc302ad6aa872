package core

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Class asks for many databases at once, such as one for each student: the name with -01, -02 and so on. All of them are accepted, or
// none is. Each has a password of its own, which is generated.
type Class struct {
	Create
	Count    int      `json:"count,omitempty" minimum:"2" maximum:"100" description:"How many; default: as many as there are students"`
	Students []string `json:"students,omitempty" description:"Logins of the owners, one database for each; administrators only. Default: all are the caller's"`
}

func (Class) action() string { return "class" }

// maxClass is how many databases one command may make.
const maxClass = 100

// classroom is a class with every database prepared.
type classroom struct {
	name string
	each []*creation
}

func (c Class) prepare(s *Service, actor Actor) (decision, error) {
	if c.Count == 0 {
		c.Count = len(c.Students)
	}
	switch {
	case c.Count < 2 || c.Count > maxClass:
		return nil, invalid("count", "A class has 2 to %d databases. For a single one, use create.", maxClass)
	case len(c.Students) > 0 && len(c.Students) != c.Count:
		return nil, invalid("students", "There are %d students for %d databases. Leave the count out, or name as many.", len(c.Students), c.Count)
	case c.Password != "":
		return nil, invalid("password", "Each database of a class gets a password of its own. Leave the password out.")
	}
	room := &classroom{name: c.Name}
	for n := range c.Count {
		one := c.Create
		one.Name = fmt.Sprintf("%s-%02d", c.Name, n+1)
		if len(c.Students) > 0 {
			one.Owner = c.Students[n]
		}
		d, err := one.prepare(s, actor)
		if err != nil {
			return nil, err
		}
		each := d.(*creation) //nolint:forcetypeassert // what Create prepares
		each.class = c.Name
		room.each = append(room.each, each)
	}
	return room, nil
}

func (c *classroom) decide(ctx context.Context, s *Service, tx pgx.Tx, req Request) (Receipt, error) {
	var all Receipt
	for _, d := range c.each {
		r, err := d.decide(ctx, s, tx, req)
		if err != nil {
			return Receipt{}, err
		}
		all.Databases = append(all.Databases, r)
	}
	return all, nil
}

// explain names the database whose name is taken.
func (c *classroom) explain(ctx context.Context, s *Service, err error) error {
	if violates(err) != "instances_live_name" {
		return err
	}
	for _, d := range c.each {
		var taken bool
		if s.db.QueryRow(ctx, "select exists (select from instances where name = $1 and ended_at is null)", d.Name).Scan(&taken) == nil && taken {
			return d.explain(ctx, s, err)
		}
	}
	return c.each[0].explain(ctx, s, err)
}

// ClassCredentials is what one database of a class is used with. Note says why there is no password.
type ClassCredentials struct {
	Name     string `json:"name"`
	Host     string `json:"host,omitempty"`
	Port     int    `json:"port,omitempty"`
	Database string `json:"database"`
	Username string `json:"username"`
	Password string `json:"password,omitempty"`
	Note     string `json:"note,omitempty"`
}

// CollectClass hands the passwords of the databases of a class to their owner, in the way of Collect. What is not ready, or was
// collected already, comes with a note in place of the password. Errors: CodeNotFound when the actor has no such class.
func (s *Service) CollectClass(ctx context.Context, req Request, class string) (_ []ClassCredentials, err error) {
	defer s.refusing(ctx, req, "credentials.collect", class, &err)
	if err := req.Actor.needs(ScopeOperate); err != nil {
		return nil, err
	}
	list, _, err := s.Search(ctx, req.Actor, Filter{Class: class, Owner: req.Actor.Login}, Page{Limit: MaxPage})
	if err != nil {
		return nil, err
	}
	if class == "" || len(list) == 0 {
		return nil, Errorf(CodeNotFound, "You have no class %q.", clip(class))
	}
	out := make([]ClassCredentials, len(list))
	for n, i := range list {
		c := ClassCredentials{Name: i.Name, Host: value(i.Host), Port: value(i.Port), Database: i.Database, Username: i.Username}
		cred, err := s.Collect(ctx, req, i.ID)
		switch CodeOf(err) {
		case CodeBusy, CodeGone:
			c.Note = err.Error()
		default:
			if err != nil {
				return nil, err
			}
		}
		c.Password = cred.Password
		out[len(list)-1-n] = c // the oldest first, as they are numbered
	}
	return out, nil
}
