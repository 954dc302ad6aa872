package mongodb

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/mydb-project/mydb/core/engine"
)

// Clear implements engine.Importer.
func (Engine) Clear(ctx context.Context, s engine.Server, secrets engine.Secrets) error {
	return asAdmin(ctx, s, secrets.Admin, func(ctx context.Context, c *mongo.Client) error {
		names, err := userDatabases(ctx, c)
		if err != nil {
			return fmt.Errorf("list the databases: %w", err)
		}
		for _, name := range names {
			if err := c.Database(name).Drop(ctx); err != nil {
				return fmt.Errorf("drop %s: %w", name, err)
			}
		}
		return nil
	})
}

// Copy implements engine.Importer. What the archive holds that mongodump writes is what the source held.
func (e Engine) Copy(ctx context.Context, src engine.Source, into engine.Target, run engine.RunTool) (engine.Brought, error) {
	restore, err := restoreTool(ctx, into, src.Database)
	if err != nil {
		return engine.Brought{}, err
	}
	list, err := engine.Through(ctx,
		func(ctx context.Context, w io.Writer) error { return run(ctx, sourceTool(src), nil, w) },
		func(r io.Reader) ([]*archived, error) { return restoreArchive(ctx, r, restore, run) })
	return brought(list, src.Database, into), err
}

// brought is what an archive holds of a database, as the tenant's.
func brought(list []*archived, from string, into engine.Target) engine.Brought {
	held := engine.ContentDatabase{Name: into.Tenant.Database, Tables: []engine.ContentTable{}}
	for _, c := range list {
		if c.Database == from && holdsDocuments(c.Collection, c.Type) {
			held.Tables = append(held.Tables, c.table(c.Collection, -1))
		}
	}
	slices.SortFunc(held.Tables, byName)
	return engine.Brought{Contents: &engine.Contents{Exact: true, Databases: []engine.ContentDatabase{held}}}
}

// restoreArchive gives an archive to mongorestore, and reads it to its end itself, too: the tool is not strict about that.
func restoreArchive(ctx context.Context, data io.Reader, restore engine.Tool, run engine.RunTool) ([]*archived, error) {
	var failed error
	list, err := engine.Through(ctx,
		func(ctx context.Context, w io.Writer) error {
			failed = run(ctx, restore, io.TeeReader(data, w), nil)
			return failed
		}, readArchive)
	if err == nil || failed != nil && errors.Is(err, failed) {
		return list, err
	}
	return list, &engine.RefusedError{Message: "The archive is damaged or breaks off.", Err: err}
}

// restoreTool is mongorestore, as the tenant, into the tenant's database, of what was dumped from another.
func restoreTool(ctx context.Context, into engine.Target, from string) (engine.Tool, error) {
	t := tool(into.Server, into.Tenant.Username, into.Tenant.Password, "mongorestore",
		"--archive", "--stopOnError", "--nsInclude="+from+".*", "--nsFrom="+from+".*", "--nsTo="+into.Tenant.Database+".*")
	err := asAdmin(ctx, into.Server, into.Secrets.Admin, func(ctx context.Context, c *mongo.Client) error {
		ferret, err := isFerretDB(ctx, c)
		if ferret {
			t.Command = append(t.Command, "--noIndexRestore")
		}
		return err
	})
	return t, err
}

// formatArchive is what mongodump --archive writes.
const formatArchive = "archive"

// Recognise implements engine.Importer.
func (Engine) Recognise(head []byte) (string, bool) {
	return formatArchive, len(head) >= 4 && binary.LittleEndian.Uint32(head) == archiveNumber
}

// Whole implements engine.Importer: mongorestore tells.
func (Engine) Whole(string, []byte) (whole, known bool) { return false, false }

// Load implements engine.Importer.
func (Engine) Load(ctx context.Context, _ string, data io.Reader, into engine.Target, run engine.RunTool) (engine.Brought, error) {
	var head bytes.Buffer
	names, err := archivedDatabases(io.TeeReader(io.LimitReader(data, maxPrelude), &head))
	if err != nil {
		return engine.Brought{}, &engine.RefusedError{Message: "The beginning of the archive is not understood: it is damaged, or breaks off.", Err: err}
	}
	if len(names) != 1 {
		return engine.Brought{}, &engine.RefusedError{Err: errors.New("several databases"), Message: fmt.Sprintf(
			"The archive holds %d databases%s. Make one of a single database, with mongodump --archive --db=NAME.", len(names), listed(names))}
	}
	restore, err := restoreTool(ctx, into, names[0])
	if err != nil {
		return engine.Brought{}, err
	}
	list, err := restoreArchive(ctx, io.MultiReader(&head, data), restore, run)
	return brought(list, names[0], into), err
}

func listed(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names[:min(len(names), 5)], ", ") + ")"
}

// plainName is of databases that the tools do not take for patterns.
var plainName = regexp.MustCompile(`^[^*$\\/. "]+$`)

// maxPrelude is how long the beginning of an archive may be, in bytes: it lists every collection with its indexes.
const maxPrelude = 64 << 20

// archivedDatabases lists the databases of an archive, but for the server's own, from its beginning.
func archivedDatabases(data io.Reader) (names []string, err error) {
	r := &archiveReader{in: bufio.NewReader(data), has: map[string]*archived{}}
	if err := r.prelude(); err != nil {
		return nil, err
	}
	for _, c := range r.list {
		if slices.Contains([]string{"", adminDB, "config", "local"}, c.Database) || slices.Contains(names, c.Database) {
			continue
		}
		if !plainName.MatchString(c.Database) {
			return nil, fmt.Errorf("a database is named %q", c.Database)
		}
		names = append(names, c.Database)
	}
	return names, nil
}
