package core

import "github.com/mydb-project/mydb/core/engine"

// CAFile is where `mydb connect --save` puts the certificate authority's certificate, below the person's home directory.
const CAFile = "~/.mydb/ca.crt"

// Snippets are the ways to connect to a placed instance, without its password; none before it is placed.
func (s *Service) Snippets(i Instance) ([]engine.Snippet, error) {
	if !i.Placed() {
		return nil, nil
	}
	e, err := s.Engine(i.Engine)
	if err != nil {
		return nil, err
	}
	return e.Snippets(engine.Card{Name: i.Name, Host: *i.Host, Port: *i.Port, Database: i.Database, Username: i.Username, CAPath: CAFile}), nil
}
