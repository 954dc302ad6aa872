package core_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/coretest"
)

// dumps is what the backup of a test holds: enough for several pieces on the way, and a part that is smaller than one.
var dumps = []coretest.Part{{File: "accounts.sql", Content: "create role genomes;\n"}, {File: "1.dump", Content: strings.Repeat("PGDMP 0123456789", 100_000)}}

// taking is a site with a database of ada's that has a good backup in a store.
type taking struct {
	*core.Service
	pool                  *pgxpool.Pool
	ada, bob, cleo, diana core.Actor // cleo and diana are administrators
	now                   time.Time
	folder                string
	instance              core.Instance
	backup                core.Backup
}

func newTaking(t *testing.T, phi bool) *taking {
	t.Helper()
	k := &taking{now: time.Now(), folder: t.TempDir()}
	objects := coretest.Folder(t, k.folder)
	k.Service, k.pool = coretest.NewWith(t, core.Options{Backups: core.Backups{On: true}, Objects: objects, Now: func() time.Time { return k.now }})
	k.ada, k.bob = coretest.Actor(t, k.Service, "ada", false), coretest.Actor(t, k.Service, "bob", false)
	k.cleo, k.diana = coretest.Actor(t, k.Service, "cleo", true), coretest.Actor(t, k.Service, "diana", true)
	r, err := k.Do(t.Context(), request(k.ada, "", core.Create{Engine: "postgres", Name: "genomes", PHI: phi}))
	if err != nil {
		t.Fatal(err)
	}
	ready(t, k.Service, k.pool, r)
	if r, err = k.Do(t.Context(), request(k.ada, "", core.MakeBackup{On: core.On{Database: "genomes"}})); err != nil {
		t.Fatal(err)
	}
	k.instance = r.Database
	k.backup = coretest.Backed(t, k.Service, k.pool, objects, r.Operation.ID, r.Database, dumps...)
	return k
}

func (k *taking) ask(ctx context.Context, a core.Actor) (core.Receipt, error) {
	return k.Do(ctx, request(a, "", core.DownloadBackup{On: core.On{Database: k.instance.ID}, Backup: k.backup.ID, Reason: "for the archive"}))
}

// link asks for a link and gives its token.
func (k *taking) link(t *testing.T, a core.Actor) (core.Link, string) {
	t.Helper()
	r, err := k.ask(t.Context(), a)
	if err != nil || r.Link == nil {
		t.Fatalf("download: %+v, %v", r, err)
	}
	l, token, err := k.IssueLink(t.Context(), request(a, "", nil), r.Link.ID)
	if err != nil {
		t.Fatal(err)
	}
	return l, token
}

// fetch downloads with a token, and gives what was written.
func (k *taking) fetch(ctx context.Context, a core.Actor, token, part string, w io.Writer) (core.Download, error) {
	d, err := k.OpenDownload(ctx, request(a, "", nil), token, part)
	if err != nil {
		return core.Download{}, err
	}
	_, err = d.Send(ctx, request(a, "", nil), w, func() {})
	return *d, err
}

// trail counts the entries of the audit trail about links.
func (k *taking) trail(t *testing.T, action string, outcome core.Outcome) (n int, last map[string]any) {
	t.Helper()
	entries, err := k.Audit(t.Context(), k.cleo, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Action == action && e.Outcome == outcome {
			if n++; n == 1 {
				last = e.Data
			}
		}
	}
	return n, last
}

func code(t *testing.T, what string, err error, want core.Code) {
	t.Helper()
	if core.CodeOf(err) != want {
		t.Errorf("%s: %v, want %s", what, err, want)
	}
}

// TestDownload takes a backup away as a tar of what the tools wrote, once, and one of its parts alone.
func TestDownload(t *testing.T) {
	k := newTaking(t, false)
	_, token := k.link(t, k.ada)
	var out bytes.Buffer
	d, err := k.fetch(t.Context(), k.ada, token, "", &out)
	if err != nil || d.Size != int64(out.Len()) || d.Name != "genomes-"+k.backup.ID+".tar" {
		t.Fatalf("%s of %d bytes, and %d came: %v", d.Name, d.Size, out.Len(), err)
	}
	want := map[string]string{"manifest.json": `"backup":"` + k.backup.ID}
	for _, p := range dumps {
		want[p.File] = p.Content
	}
	for files := tar.NewReader(&out); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(files)
		folder, file := filepath.Split(h.Name)
		if err != nil || folder != "genomes-"+k.backup.ID+"/" || file != "manifest.json" && string(got) != want[file] || !strings.Contains(string(got), want[file]) {
			t.Errorf("%s is not what was backed up (%d bytes, %v)", h.Name, len(got), err)
		}
		delete(want, file)
	}
	if len(want) != 0 {
		t.Errorf("missing: %v", want)
	}
	if n, data := k.trail(t, "link.use", core.OutcomeDone); n != 1 || data["bytes"] != float64(d.Size) || data["backup"] != k.backup.ID {
		t.Errorf("%d entries that it was done, the last with %v", n, data)
	}
	_, err = k.fetch(t.Context(), k.ada, token, "", io.Discard)
	code(t, "a second time", err, core.CodeGone)

	_, token = k.link(t, k.ada)
	_, err = k.fetch(t.Context(), k.ada, token, "2.dump", io.Discard)
	code(t, "a part that is not there", err, core.CodeInvalid)
	out.Reset()
	if d, err = k.fetch(t.Context(), k.ada, token, "1.dump", &out); err != nil || out.String() != dumps[1].Content || d.Name != "genomes-"+k.backup.ID+"-1.dump" {
		t.Errorf("a part alone: %s with %d bytes, %v", d.Name, out.Len(), err)
	}
}

// TestLinkBelongsToOne refuses everybody else, and what is over, without using anything up.
func TestLinkBelongsToOne(t *testing.T) {
	k := newTaking(t, false)
	l, token := k.link(t, k.ada)
	reading := k.ada
	reading.Scope = core.ScopeRead
	for _, c := range []struct {
		what  string
		actor core.Actor
		token string
		code  core.Code
	}{
		{"a stranger", k.bob, token, core.CodeForbidden},
		{"an administrator", k.cleo, token, core.CodeForbidden},
		{"a token that reads", reading, token, core.CodeForbidden},
		{"nobody", core.Actor{}, token, core.CodeUnauthenticated},
		{"an unknown link", k.ada, strings.Repeat("x", 32), core.CodeGone},
		{"an empty one", k.ada, "", core.CodeGone},
	} {
		_, err := k.fetch(t.Context(), c.actor, c.token, "", io.Discard)
		code(t, c.what, err, c.code)
		_, err = k.UseLink(t.Context(), request(c.actor, "", nil), c.token)
		code(t, "use by "+c.what, err, c.code)
	}
	for range 3 { // a look uses nothing up
		if got, err := k.LookLink(t.Context(), request(k.ada, "", nil), token); err != nil || got.ID != l.ID || got.Attempts != 0 {
			t.Fatalf("look: %+v, %v", got, err)
		}
	}
	_, newer := k.link(t, k.ada)
	_, err := k.LookLink(t.Context(), request(k.ada, "", nil), token)
	code(t, "an address that was replaced", err, core.CodeGone)
	if list, err := k.Links(t.Context(), k.ada, k.instance.ID); err != nil || len(list) != 1 || list[0].ID != l.ID {
		t.Errorf("links %+v, %v; want the one", list, err)
	}
	code(t, "somebody else revokes it", k.RevokeLink(t.Context(), request(k.bob, "", nil), l.ID), core.CodeNotFound)
	for range 2 {
		if err := k.RevokeLink(t.Context(), request(k.ada, "", nil), l.ID); err != nil {
			t.Fatal(err)
		}
	}
	_, err = k.fetch(t.Context(), k.ada, newer, "", io.Discard)
	code(t, "one that was revoked", err, core.CodeGone)
	_, token = k.link(t, k.ada)
	k.now = k.now.Add(25 * time.Hour)
	_, err = k.fetch(t.Context(), k.ada, token, "", io.Discard)
	code(t, "one that expired", err, core.CodeGone)
	for action, want := range map[string]int{"link.make": 2, "link.issue": 3, "link.revoke": 1} {
		if n, _ := k.trail(t, action, core.OutcomeDone); n != want {
			t.Errorf("%d times %s in the audit trail, want %d", n, action, want)
		}
	}
	if n, _ := k.trail(t, "link.use", core.OutcomeRefused); n != 8 {
		t.Errorf("%d refusals in the audit trail, want those of two others and of a token that reads, twice, and of what was over, twice", n)
	}
}

// TestLinkIsUsedOnce lets one of many who try at the same moment have a secret.
func TestLinkIsUsedOnce(t *testing.T) {
	k := newTaking(t, false)
	l, token, err := k.SecretLink(t.Context(), request(k.ada, "", nil), "genomes")
	if err != nil || l.Kind != core.LinkSecret || !l.ExpiresAt.Before(k.now.Add(11*time.Minute)) {
		t.Fatalf("%+v, %v", l, err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	used := 0
	for range 8 {
		wg.Go(func() {
			_, err := k.UseLink(t.Context(), request(k.ada, "", nil), token)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				used++
			} else if core.CodeOf(err) != core.CodeGone {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if used != 1 {
		t.Errorf("it was used %d times", used)
	}
	_, _, err = k.SecretLink(t.Context(), request(k.bob, "", nil), "genomes")
	code(t, "of somebody else's database", err, core.CodeNotFound)
	_, _, err = k.SecretLink(t.Context(), request(k.cleo, "", nil), "genomes")
	code(t, "of a password that is not one's own", err, core.CodeForbidden)
}

// TestDownloadOfHealthDataNeedsAnApproval gives nobody a link but who asked, after somebody else has agreed.
func TestDownloadOfHealthDataNeedsAnApproval(t *testing.T) {
	k := newTaking(t, true)
	r, err := k.ask(t.Context(), k.ada)
	if err != nil || r.Approval == nil || r.Link != nil || r.Approval.Action != "download" || !strings.Contains(r.Approval.About, k.backup.ID) {
		t.Fatalf("asked: %+v, %v", r, err)
	}
	if again, err := k.ask(t.Context(), k.ada); err != nil || again.Approval.ID != r.Approval.ID {
		t.Errorf("asked again: %+v, %v", again.Approval, err)
	}
	other, err := k.ask(t.Context(), k.cleo)
	if err != nil || other.Approval.ID == r.Approval.ID {
		t.Fatalf("an administrator's own: %+v, %v", other.Approval, err)
	}
	_, err = k.Do(t.Context(), request(k.cleo, "", core.Decide{ID: other.Approval.ID, Approve: true}))
	code(t, "one's own request", err, core.CodeForbidden)
	decided, err := k.Do(t.Context(), request(k.cleo, "", core.Decide{ID: r.Approval.ID, Approve: true}))
	if err != nil || decided.Approval.State != "approved" {
		t.Fatalf("approved: %+v, %v", decided.Approval, err)
	}
	if list, err := k.Links(t.Context(), k.cleo, ""); err != nil || len(list) != 0 {
		t.Errorf("who approved has %+v, %v", list, err)
	}
	if _, _, err := k.IssueLink(t.Context(), request(k.cleo, "", nil), decided.Link.ID); core.CodeOf(err) != core.CodeNotFound {
		t.Errorf("who approved asks for the address: %v", err)
	}
	_, token := k.link(t, k.ada) // it waits for who asked
	var out bytes.Buffer
	if _, err := k.fetch(t.Context(), k.ada, token, "accounts.sql", &out); err != nil || out.String() != dumps[0].Content {
		t.Errorf("%q, %v", out.String(), err)
	}
	if r, err = k.ask(t.Context(), k.ada); err != nil || r.Approval == nil || r.Approval.State != "pending" {
		t.Errorf("one approval is for one download; asked again: %+v, %v", r, err)
	}
	if _, err := k.Do(t.Context(), request(k.cleo, "", core.Decide{ID: r.Approval.ID, Reason: "no more"})); err != nil {
		t.Error(err)
	}
}

// TestDownloadLooksAgain: what has changed since the link was made counts.
func TestDownloadLooksAgain(t *testing.T) {
	for what, c := range map[string]struct {
		sql  string
		code core.Code
	}{
		"marked as health data":  {"update instances set phi = true", core.CodeForbidden},
		"somebody else's by now": {"update instances set owner_id = (select id from people where login = 'bob')", core.CodeNotFound},
		"expired":                {"update backups set state = 'expired'", core.CodeGone},
	} {
		t.Run(what, func(t *testing.T) {
			k := newTaking(t, false)
			_, token := k.link(t, k.ada)
			if _, err := k.pool.Exec(t.Context(), c.sql); err != nil {
				t.Fatal(err)
			}
			_, err := k.fetch(t.Context(), k.ada, token, "", io.Discard)
			code(t, what, err, c.code)
		})
	}
}

// TestDownloadBadInput has a sentence for everything that cannot be.
func TestDownloadBadInput(t *testing.T) {
	k := newTaking(t, false)
	reading := k.ada
	reading.Scope = core.ScopeRead
	on := core.On{Database: "genomes"}
	for _, c := range []struct {
		what    string
		actor   core.Actor
		command core.DownloadBackup
		code    core.Code
	}{
		{"a stranger", k.bob, core.DownloadBackup{On: on, Backup: k.backup.ID}, core.CodeNotFound},
		{"a token that reads", reading, core.DownloadBackup{On: on, Backup: k.backup.ID}, core.CodeForbidden},
		{"no such backup", k.ada, core.DownloadBackup{On: on, Backup: "nothing"}, core.CodeNotFound},
		{"no such database", k.ada, core.DownloadBackup{On: core.On{Database: "none"}, Backup: k.backup.ID}, core.CodeNotFound},
		{"an endless reason", k.ada, core.DownloadBackup{On: on, Backup: k.backup.ID, Reason: strings.Repeat("x", 2000)}, core.CodeInvalid},
	} {
		_, err := k.Do(t.Context(), request(c.actor, "", c.command))
		code(t, c.what, err, c.code)
	}
	off := coretest.Service(t, k.pool, core.Options{})
	_, err := off.Do(t.Context(), request(k.ada, "", core.DownloadBackup{On: on, Backup: k.backup.ID}))
	code(t, "without a store", err, core.CodeUnavailable)
	if _, err := k.pool.Exec(t.Context(), "update backups set state = 'failed'"); err != nil {
		t.Fatal(err)
	}
	_, err = k.ask(t.Context(), k.ada)
	code(t, "one that failed", err, core.CodeGone)
}

// TestSpoiltDownload: nobody gets a whole file of what is not what was written, and what was not begun is not used up.
func TestSpoiltDownload(t *testing.T) {
	for what, c := range map[string]struct {
		object string
		spoil  func([]byte) []byte
		begun  bool // before anybody could know
	}{
		"cut off":                   {"1.dump.zst.age", func(b []byte) []byte { return b[:len(b)-20] }, true},
		"changed at the end":        {"1.dump.zst.age", func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, true},
		"more behind it":            {"1.dump.zst.age", func(b []byte) []byte { return append(b, 'x') }, true},
		"gone":                      {"1.dump.zst.age", nil, true},
		"changed at the beginning":  {"accounts.sql.zst.age", func(b []byte) []byte { b[0] ^= 1; return b }, false},
		"changed in its only piece": {"accounts.sql.zst.age", func(b []byte) []byte { b[len(b)-30] ^= 1; return b }, false},
		"gone from the start":       {"accounts.sql.zst.age", nil, false},
		"another manifest":          {"manifest.json", func(b []byte) []byte { return append(b, ' ') }, false},
	} {
		t.Run(what, func(t *testing.T) {
			k := newTaking(t, false)
			k.spoil(t, c.object, c.spoil)
			l, token := k.link(t, k.ada)
			var out bytes.Buffer
			d, err := k.fetch(t.Context(), k.ada, token, "", &out)
			if err == nil || out.Len() > 0 && int64(out.Len()) >= d.Size {
				t.Fatalf("%d of %d bytes came, %v", out.Len(), d.Size, err)
			}
			if !c.begun {
				code(t, what, err, core.CodeGone)
			}
			failed, data := k.trail(t, "link.use", core.OutcomeFailed)
			if want := map[bool]int{true: 1}[c.begun]; failed != want || (out.Len() > 0) != c.begun {
				t.Errorf("%d failures in the audit trail, the last with %v; %d bytes came", failed, data, out.Len())
			}
			if list, err := k.Links(t.Context(), k.ada, ""); err != nil || len(list) != 1 || list[0].ID != l.ID || (list[0].Attempts > 0) != c.begun {
				t.Errorf("then the link is %+v, %v", list, err)
			}
		})
	}
}

// spoil changes an object of the backup, or removes it.
func (k *taking) spoil(t *testing.T, object string, change func([]byte) []byte) {
	t.Helper()
	file := filepath.Join(k.folder, k.instance.ID, k.backup.ID, object)
	content, err := os.ReadFile(file)
	if err == nil && change != nil {
		err = os.WriteFile(file, change(content), 0o600)
	} else if err == nil {
		err = os.Remove(file)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// brokenPipe takes so many bytes, as a client that goes away does.
type brokenPipe struct{ left int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, io.ErrClosedPipe
	}
	return len(p), nil
}

// TestBrokenDownload may be repeated, but not for ever.
func TestBrokenDownload(t *testing.T) {
	k := newTaking(t, false)
	_, token := k.link(t, k.ada)
	for range 3 {
		if _, err := k.fetch(t.Context(), k.ada, token, "", &brokenPipe{left: 500_000}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%v, want that the client is away", err)
		}
	}
	if n, data := k.trail(t, "link.use", core.OutcomeFailed); n != 3 || data["attempt"] != 3.0 || data["bytes"].(float64) > 500_000 {
		t.Errorf("%d failures, the last with %v", n, data)
	}
	_, err := k.fetch(t.Context(), k.ada, token, "", io.Discard)
	code(t, "a fourth time", err, core.CodeGone)
	_, token = k.link(t, k.ada)
	if _, err := k.fetch(t.Context(), k.ada, token, "", &brokenPipe{left: 500_000}); err == nil {
		t.Error("the client was not away")
	}
	if _, err := k.fetch(t.Context(), k.ada, token, "", io.Discard); err != nil {
		t.Errorf("after one that broke off: %v", err)
	}
}

// slow takes nothing until it is let go.
type slow struct{ began, letGo chan struct{} }

func (s slow) Write(p []byte) (int, error) {
	s.began <- struct{}{}
	<-s.letGo
	return len(p), nil
}

// TestDownloadsAtOnce are so many, and who comes too late keeps the link.
func TestDownloadsAtOnce(t *testing.T) {
	k := newTaking(t, false)
	client := slow{make(chan struct{}, 100), make(chan struct{})}
	var wg sync.WaitGroup
	for _, a := range []core.Actor{k.ada, k.cleo, k.diana} {
		_, token := k.link(t, a)
		for range map[string]int{"ada": 3, "cleo": 3, "diana": 2}[a.Login] {
			wg.Go(func() {
				if _, err := k.fetch(t.Context(), a, token, "accounts.sql", client); err != nil {
					t.Error(err)
				}
			})
			<-client.began
		}
	}
	r, err := k.ask(t.Context(), k.diana)
	if err != nil || r.Link.Attempts != 2 {
		t.Fatalf("%+v, %v", r.Link, err)
	}
	_, token := k.link(t, k.diana)
	_, err = k.fetch(t.Context(), k.diana, token, "", io.Discard)
	code(t, "a ninth", err, core.CodeTooMany)
	close(client.letGo)
	wg.Wait()
}

// TestLinkKeepsItsBackup from retention, for as long as it works.
func TestLinkKeepsItsBackup(t *testing.T) {
	k := newTaking(t, false)
	k.link(t, k.ada)
	if _, err := k.pool.Exec(t.Context(), "update operations set state = 'done', finished_at = now() where kind = 'verify'"); err != nil {
		t.Fatal(err)
	}
	for range 30 { // more than any rule keeps of a day
		r, err := k.Do(t.Context(), request(k.ada, "", core.MakeBackup{On: core.On{Database: "genomes"}}))
		if err != nil {
			t.Fatal(err)
		}
		coretest.Backed(t, k.Service, k.pool, coretest.Folder(t, k.folder), r.Operation.ID, r.Database, dumps[0])
		if _, err := k.pool.Exec(t.Context(), "update operations set state = 'done', finished_at = now() where kind = 'verify'"); err != nil {
			t.Fatal(err)
		}
	}
	held := func() core.BackupState {
		t.Helper()
		if _, err := k.ExpireBackups(t.Context()); err != nil {
			t.Fatal(err)
		}
		b, err := k.Backup(t.Context(), k.ada, "genomes", k.backup.ID)
		if err != nil {
			t.Fatal(err)
		}
		return b.State
	}
	if got := held(); got != core.BackupDone {
		t.Errorf("with a link to it, it is %s", got)
	}
	if _, err := k.pool.Exec(t.Context(), "update links set revoked_at = now()"); err != nil {
		t.Fatal(err)
	}
	if got := held(); got != core.BackupExpired {
		t.Errorf("without one, it is %s", got)
	}
}
