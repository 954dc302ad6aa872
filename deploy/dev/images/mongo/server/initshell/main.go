// Command initshell runs the scripts of /docker-entrypoint-initdb.d in mydb-dev/mongo, which has no mongosh. It knows as much of
// mongosh as such scripts need: db.getSiblingDB(), createUser and runCommand, and of Node process.env and a few functions of fs.
//
//	initshell DATABASE FILE
//
// It logs in to the server on 127.0.0.1:27017 as MONGO_INITDB_ROOT_USERNAME.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/dop251/goja"
	"go.mongodb.org/mongo-driver/mongo"
	"go.mongodb.org/mongo-driver/mongo/options"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: initshell DATABASE FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "initshell: %s: %v\n", os.Args[2], err)
		os.Exit(1)
	}
}

func run(database, path string) error {
	script, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client, err := mongo.Connect(ctx, options.Client().ApplyURI("mongodb://127.0.0.1:27017/?directConnection=true").SetAuth(options.Credential{
		Username: os.Getenv("MONGO_INITDB_ROOT_USERNAME"), Password: os.Getenv("MONGO_INITDB_ROOT_PASSWORD"),
	}))
	if err != nil {
		return err
	}
	defer func() { _ = client.Disconnect(ctx) }()
	s := &shell{ctx: ctx, client: client, vm: goja.New()}
	if err := s.define(database); err != nil {
		return err
	}
	_, err = s.vm.RunScript(path, string(script))
	return err
}

// shell is one script's run.
type shell struct {
	ctx    context.Context
	client *mongo.Client
	vm     *goja.Runtime
}

// define makes the globals that a script may use.
func (s *shell) define(database string) error {
	files := fileSystem()
	environment := map[string]string{}
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		environment[name] = value
	}
	for name, value := range map[string]any{
		"db":      s.database(database),
		"fs":      files,
		"process": map[string]any{"env": environment},
		"print":   func(words ...any) { fmt.Println(words...) },
		"require": func(name string) (any, error) {
			if strings.TrimPrefix(name, "node:") != "fs" {
				return nil, fmt.Errorf("this shell has no module %q", name)
			}
			return files, nil
		},
	} {
		if err := s.vm.Set(name, value); err != nil {
			return err
		}
	}
	return nil
}
