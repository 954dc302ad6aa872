// Package evidence makes bundles for auditors: what a year's records say, in tables that any spreadsheet opens, signed so that a changed or
// missing one shows. A bundle is a ZIP archive with manifest.json, which has the SHA-256 of every other file, and manifest.sig, the Ed25519
// signature (RFC 8032) of manifest.json in base64.
package evidence

import (
	"archive/zip"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/mydb-project/mydb/core"
)

const (
	manifestName  = "manifest.json"
	signatureName = "manifest.sig"
	// format is counted up when an older MyDB would misunderstand a bundle.
	format = 1
)

// Bundle is what a bundle is made of.
type Bundle struct {
	Year    int
	Site    string // the address of the portal
	Version string // of MyDB
	Now     time.Time
	Signer  ed25519.PrivateKey
	Proof   core.AuditProof
	Anchors []core.Anchor
}

// Manifest is what a bundle holds.
type Manifest struct {
	Format      int             `json:"format"`
	Year        int             `json:"year"`
	Site        string          `json:"site"`
	MadeAt      time.Time       `json:"made_at"`
	MadeBy      string          `json:"made_by"` // the version of MyDB
	PublicKey   string          `json:"public_key"`
	AuditProof  core.AuditProof `json:"audit_proof"`
	AuditIntact bool            `json:"audit_intact"`
	Files       []File          `json:"files"`
}

// File is one file of a bundle. Rows are those of a table, without its head.
type File struct {
	Name   string `json:"name"`
	About  string `json:"about"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Write makes a bundle of one moment of the catalogue.
func Write(ctx context.Context, db *pgxpool.Pool, out io.Writer, b Bundle) (m Manifest, err error) {
	m = Manifest{
		Format: format, Year: b.Year, Site: b.Site, MadeAt: b.Now.UTC(), MadeBy: "MyDB " + b.Version, PublicKey: publicKey(b.Signer),
		AuditProof: b.Proof, AuditIntact: len(b.Proof.Problems) == 0,
	}
	w := &writer{zip: zip.NewWriter(out), manifest: &m}
	if err := pgx.BeginTxFunc(ctx, db, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		return w.tables(ctx, tx, b)
	}); err != nil {
		return m, err
	}
	if err := w.add("audit-anchors.json", "What the store of backups vouches for: hashes of the audit trail at moments", func(f *file) error {
		f.Rows = int64(len(b.Anchors))
		return writeJSON(f, append([]core.Anchor{}, b.Anchors...))
	}); err != nil {
		return m, err
	}
	if err := w.add("README.txt", "What this is, and how it is checked", func(f *file) error {
		_, err := io.WriteString(f, readme(m))
		return err
	}); err != nil {
		return m, err
	}
	return m, w.sign(b.Signer)
}

func publicKey(signer ed25519.PrivateKey) string {
	return Key(signer.Public().(ed25519.PublicKey)) //nolint:forcetypeassert // what it is, by its documentation
}

// Key is how a public key is written.
func Key(public ed25519.PublicKey) string { return base64.StdEncoding.EncodeToString(public) }

// writer makes the archive.
type writer struct {
	zip      *zip.Writer
	manifest *Manifest
}

// file counts and hashes what goes into one of the archive's files.
type file struct {
	File
	to io.Writer
}

func (f *file) Write(p []byte) (int, error) {
	n, err := f.to.Write(p)
	f.Bytes += int64(n)
	return n, err
}

func (w *writer) add(name, about string, fill func(*file) error) error {
	entry, err := w.entry(name)
	if err != nil {
		return err
	}
	sum := sha256.New()
	f := &file{File: File{Name: name, About: about}, to: io.MultiWriter(entry, sum)}
	if err := fill(f); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	w.manifest.Files = append(w.manifest.Files, f.File)
	return nil
}

func (w *writer) entry(name string) (io.Writer, error) {
	entry, err := w.zip.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: w.manifest.MadeAt})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", name, err)
	}
	return entry, nil
}

// tables writes the records of the year.
func (w *writer) tables(ctx context.Context, tx pgx.Tx, b Bundle) error {
	since := time.Date(b.Year, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, t := range tables {
		err := w.add(t.name, t.about, func(f *file) error {
			rows, err := tx.Query(ctx, t.query, pgx.NamedArgs{"since": since, "until": since.AddDate(1, 0, 0)})
			if err != nil {
				return err
			}
			f.Rows, err = table(f, rows)
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// table writes rows of texts as CSV (RFC 4180) and counts them.
func table(out io.Writer, rows pgx.Rows) (n int64, err error) {
	defer rows.Close()
	w := csv.NewWriter(out)
	head := rows.FieldDescriptions()
	line, values, into := make([]string, len(head)), make([]pgtype.Text, len(head)), make([]any, len(head))
	for i := range head {
		line[i] = head[i].Name
		into[i] = &values[i]
	}
	if err := w.Write(line); err != nil {
		return 0, err
	}
	_, err = pgx.ForEachRow(rows, into, func() error {
		n++
		for i := range line {
			line[i] = core.HarmlessCell(values[i].String) // empty where there is nothing
		}
		return w.Write(line)
	})
	if err != nil {
		return n, err
	}
	w.Flush()
	return n, w.Error()
}

// sign ends the archive.
func (w *writer) sign(signer ed25519.PrivateKey) error {
	manifest, err := json.MarshalIndent(w.manifest, "", "  ")
	if err != nil {
		return fmt.Errorf("write %s: %w", manifestName, err)
	}
	signature := base64.StdEncoding.EncodeToString(ed25519.Sign(signer, manifest)) + "\n"
	for name, content := range map[string]string{manifestName: string(manifest), signatureName: signature} {
		entry, err := w.entry(name)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(entry, content); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	if err := w.zip.Close(); err != nil {
		return fmt.Errorf("end the archive: %w", err)
	}
	return nil
}

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
