package engine

import (
	"context"
	"io"
	"maps"
)

// Importer brings a database from outside onto a new server that nobody uses yet. What comes from outside never runs with the rights of
// MyDB's own accounts: it runs as the tenant, and client programs that know commands of their own do not get to see it.
type Importer interface {
	// SourceForm is how addresses of this engine's databases look.
	SourceForm() SourceForm
	// Look logs in to a source once and says what is there, for a new server of this version. It changes nothing. What a retry cannot
	// mend, such as a wrong password or another engine behind the port, is a *RefusedError.
	Look(ctx context.Context, src Source, version string) (Found, error)
	// Clear takes all databases and accounts off a server but MyDB's own, so that an import can begin anew.
	Clear(ctx context.Context, s Server, secrets Secrets) error
	// Copy copies what a source holds into the tenant's database, and says what it held. What cannot be had is a *RefusedError.
	Copy(ctx context.Context, src Source, into Target, run RunTool) (Brought, error)
	// Recognise tells the format of a dump of this engine from its beginning, uncompressed.
	Recognise(head []byte) (format string, known bool)
	// Whole reports whether a dump ends with what its tool writes last. known is false for formats of which only the tool can tell.
	Whole(format string, tail []byte) (whole, known bool)
	// Load puts a dump into the tenant's database.
	Load(ctx context.Context, format string, data io.Reader, into Target, run RunTool) (Brought, error)
}

// Target is where an import goes: the empty database of a tenant.
type Target struct {
	Server  Server
	Secrets Secrets
	Tenant  Tenant
	// Extensions are those that may be installed.
	Extensions []string
}

// Brought is what an import has brought.
type Brought struct {
	// Contents is what the source held, as far as it could be counted, by the names that things have in the target. Nil: nobody counted.
	Contents *Contents
	// LeftOut tells what was not taken along, such as owners.
	LeftOut []string
}

// Found is what a look at a source has found.
type Found struct {
	ServerVersion string
	Tables        int
	// System identifies the server behind the address, where the engine has such a thing.
	System string
}

// FormatSQL is SQL text, of whatever program.
const FormatSQL = "sql"

// Tail keeps the last bytes of what is read.
type Tail struct {
	io.Reader
	kept []byte
}

// tailKept is how many bytes are kept at least: what tools write last is shorter.
const tailKept = 512

// Read implements io.Reader.
func (t *Tail) Read(p []byte) (int, error) {
	n, err := t.Reader.Read(p)
	t.kept = append(t.kept, p[max(0, n-tailKept):n]...)
	if len(t.kept) > 4*tailKept {
		t.kept = append(t.kept[:0], t.kept[len(t.kept)-tailKept:]...)
	}
	return n, err
}

// Bytes are the last ones that were read.
func (t *Tail) Bytes() []byte { return t.kept[max(0, len(t.kept)-tailKept):] }

// Through runs a program that writes and one that reads, each at its own pace, in little memory. When one fails, the other is ended.
func Through[T any](ctx context.Context, write func(context.Context, io.Writer) error, read func(io.Reader) (T, error)) (T, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	r, w := io.Pipe()
	wrote := make(chan error, 1)
	go func() {
		err := write(ctx, w)
		_ = w.CloseWithError(err) // nil is the end
		wrote <- err
	}()
	out, err := read(r)
	if err != nil {
		stop()
	}
	_ = r.Close()
	if writeErr := <-wrote; err == nil {
		err = writeErr
	}
	return out, err
}

// SameRows reports whether two counts have the same tables with as many rows.
func SameRows(a, b Contents) bool {
	rows := func(c Contents) map[[3]string]int64 {
		out := map[[3]string]int64{}
		for _, d := range c.Databases {
			for _, t := range d.Tables {
				out[[3]string{d.Name, t.Schema, t.Name}] = t.Rows
			}
		}
		return out
	}
	return maps.Equal(rows(a), rows(b))
}
