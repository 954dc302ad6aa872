package mongodb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
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

// Copy implements engine.Importer. What mongodump says that it has written is what the source held.
func (e Engine) Copy(ctx context.Context, src engine.Source, into engine.Target, run engine.RunTool) (engine.Brought, error) {
	restore, err := restoreTool(ctx, into, src.Database)
	if err != nil {
		return engine.Brought{}, err
	}
	held := engine.ContentDatabase{Name: into.Tenant.Database, Tables: []engine.ContentTable{}}
	dump := sourceTool(src)
	dump.Say = func(line string) {
		if match := dumped.FindStringSubmatch(line); match != nil {
			rows, _ := strconv.ParseInt(match[2], 10, 64)
			held.Tables = append(held.Tables, engine.ContentTable{Name: strings.TrimPrefix(match[1], src.Database+"."), Rows: rows})
		}
	}
	_, err = engine.Through(ctx,
		func(ctx context.Context, w io.Writer) error { return run(ctx, dump, nil, w) },
		func(r io.Reader) (struct{}, error) { return struct{}{}, run(ctx, restore, r, nil) })
	slices.SortFunc(held.Tables, byName)
	// System collections are not counted in the copy.
	held.Tables = slices.DeleteFunc(held.Tables, func(t engine.ContentTable) bool { return strings.HasPrefix(t.Name, "system.") })
	return engine.Brought{Contents: &engine.Contents{Exact: true, Databases: []engine.ContentDatabase{held}}}, err
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

// archiveMagic is how it begins.
var archiveMagic = []byte{0x6d, 0xe2, 0x99, 0x81}

// Recognise implements engine.Importer.
func (Engine) Recognise(head []byte) (string, bool) {
	return formatArchive, bytes.HasPrefix(head, archiveMagic)
}

// Whole implements engine.Importer: mongorestore tells.
func (Engine) Whole(string, []byte) (whole, known bool) { return false, false }

// Load implements engine.Importer.
func (Engine) Load(ctx context.Context, _ string, data io.Reader, into engine.Target, run engine.RunTool) (engine.Brought, error) {
	var head bytes.Buffer
	names, err := archived(io.TeeReader(data, &head))
	if err != nil {
		return engine.Brought{}, &engine.RefusedError{Message: "The archive's beginning is not understood: it is damaged, or breaks off.", Err: err}
	}
	if len(names) != 1 {
		return engine.Brought{}, &engine.RefusedError{Err: errors.New("several databases"), Message: fmt.Sprintf(
			"The archive holds %d databases%s. Make one of a single database, with mongodump --archive --db=NAME.", len(names), listed(names))}
	}
	restore, err := restoreTool(ctx, into, names[0])
	if err != nil {
		return engine.Brought{}, err
	}
	return engine.Brought{}, run(ctx, restore, io.MultiReader(&head, data), nil)
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

// archived lists the databases of an archive, but for the server's own, from the documents at its beginning: a header, one for each
// collection, and the number -1 after the last.
func archived(r io.Reader) (names []string, err error) {
	r = io.LimitReader(r, maxPrelude)
	magic := make([]byte, len(archiveMagic))
	if _, err := io.ReadFull(r, magic); err != nil || !bytes.Equal(magic, archiveMagic) {
		return nil, errors.Join(err, errors.New("no archive"))
	}
	for n := 0; ; n++ {
		document, err := readDocument(r)
		if err != nil || document == nil {
			return names, err
		}
		var c struct{ DB string }
		if err := bson.Unmarshal(document, &c); err != nil {
			return nil, err
		}
		if n == 0 || slices.Contains([]string{"", adminDB, "config", "local"}, c.DB) || slices.Contains(names, c.DB) {
			continue
		}
		if !plainName.MatchString(c.DB) {
			return nil, fmt.Errorf("a database is named %q", c.DB)
		}
		names = append(names, c.DB)
	}
}

// readDocument reads one document; nil is the end of them.
func readDocument(r io.Reader) (bson.Raw, error) {
	var size int32
	if err := binary.Read(r, binary.LittleEndian, &size); err != nil {
		return nil, err
	}
	if size == -1 {
		return nil, nil
	}
	if size < 5 || size > 16<<20+16<<10 {
		return nil, fmt.Errorf("a document of %d bytes", size)
	}
	document := make(bson.Raw, size)
	binary.LittleEndian.PutUint32(document, uint32(size))
	_, err := io.ReadFull(r, document[4:])
	return document, err
}
