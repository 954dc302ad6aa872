package main

import (
	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/bson"
)

// database is an object as mongosh has it in db.
func (s *shell) database(name string) map[string]any {
	return map[string]any{
		"getName":      func() string { return name },
		"getSiblingDB": func(other string) any { return s.database(other) },
		"createUser": func(user *goja.Object, concern goja.Value) (any, error) {
			command := bson.D{{Key: "createUser", Value: user.Get("user").Export()}}
			for _, e := range s.document(user) {
				switch e.Key {
				case "user":
				case "roles":
					// FerretDB has no roles: everybody may do everything.
					command = append(command, bson.E{Key: "roles", Value: bson.A{}})
				default:
					command = append(command, e)
				}
			}
			return s.command(name, command)
		},
		"runCommand": func(command *goja.Object) (any, error) { return s.command(name, s.document(command)) },
	}
}

func (s *shell) command(database string, command bson.D) (any, error) {
	var answer bson.M
	err := s.client.Database(database).RunCommand(s.ctx, command).Decode(&answer)
	return map[string]any(answer), err
}

// document keeps the order of an object's keys: the first one is the command.
func (s *shell) document(o *goja.Object) bson.D {
	var out bson.D
	for _, key := range o.Keys() {
		value := o.Get(key)
		if inner, ok := value.(*goja.Object); ok && inner.ClassName() == "Object" {
			out = append(out, bson.E{Key: key, Value: s.document(inner)})
			continue
		}
		out = append(out, bson.E{Key: key, Value: value.Export()})
	}
	return out
}
