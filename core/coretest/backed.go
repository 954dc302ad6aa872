package coretest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/core/engine"
	"github.com/mydb-project/mydb/jobs/store"
)

// Folder is a store of backups in a folder.
func Folder(t testing.TB, folder string) core.Objects {
	t.Helper()
	where, err := config.Config{StoreURL: "file://" + folder}.Store()
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Part is what a part of a backup holds.
type Part struct{ File, Content string }

// Backed ends a backup of a database under way as its worker would: its parts and its manifest are in the store, packed as real ones are.
func Backed(t testing.TB, s *core.Service, pool *pgxpool.Pool, objects core.Objects, operationID string, i core.Instance, parts ...Part) core.Backup {
	t.Helper()
	b, err := s.BackupOfOperation(t.Context(), operationID)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	m := core.Manifest{Format: core.ManifestFormat, BackupID: b.ID, StartedAt: now, FinishedAt: now, Instance: core.ManifestOf(i), Packing: core.Packing}
	m.Contents = engine.Contents{Exact: true, ServerVersion: "17.6", Databases: []engine.ContentDatabase{{
		Name: i.Database, Tables: []engine.ContentTable{{Schema: "public", Name: "t", Rows: 7}},
	}}}
	made := &core.MadeBackup{ID: b.ID, Location: "file:///backups/" + b.ID}
	for _, p := range parts {
		var sealed bytes.Buffer
		archive, keys, err := s.SealArchive(&sealed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := archive.Write([]byte(p.Content)); err != nil {
			t.Fatal(err)
		}
		if err := archive.Close(); err != nil {
			t.Fatal(err)
		}
		part := core.ManifestPart{
			Part: engine.Part{File: p.File, Kind: engine.PartDatabase, Database: i.Database}, Object: p.File + core.PartSuffix,
			Size: int64(sealed.Len()), SHA256: hexSum(sealed.Bytes()), Plain: int64(len(p.Content)),
		}
		m.Keys, m.Parts, made.Size = keys, append(m.Parts, part), made.Size+part.Size
		put(t, objects, path.Join(core.BackupFolder(i.ID, b.ID), part.Object), sealed.Bytes())
	}
	if made.Text, err = json.Marshal(m); err != nil {
		t.Fatal(err)
	}
	made.Manifest, made.SHA256 = m, hexSum(made.Text)
	put(t, objects, path.Join(core.BackupFolder(i.ID, b.ID), core.ManifestObject), made.Text)
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return s.FinishBackup(t.Context(), tx, operationID, i, made, nil) }); err != nil {
		t.Fatal(err)
	}
	b, err = s.BackupOfOperation(t.Context(), operationID)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func put(t testing.TB, objects core.Objects, key string, content []byte) {
	t.Helper()
	if err := objects.Put(t.Context(), key, bytes.NewReader(content), int64(len(content))); err != nil {
		t.Fatal(err)
	}
}

func hexSum(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
