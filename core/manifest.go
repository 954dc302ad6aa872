package core

import (
	"cmp"
	"strconv"
	"time"

	"github.com/mydb-project/mydb/core/engine"
)

// ManifestFormat is the version of the layout that manifests have. A reader refuses later ones.
const ManifestFormat = 1

// Manifest is all that is needed to restore a backup, but for a key. It lies beside the parts as manifest.json and is written last:
// without it there is no backup. Sizes are bytes.
type Manifest struct {
	Format     int              `json:"format"`
	BackupID   string           `json:"backup"`
	StartedAt  time.Time        `json:"started_at"`
	FinishedAt time.Time        `json:"finished_at"`
	Instance   ManifestInstance `json:"database"`
	Contents   engine.Contents  `json:"contents"`
	Parts      []ManifestPart   `json:"parts"`
	Keys       []string         `json:"keys"` // public keys of those who can open the parts
	Packing    string           `json:"packing"`
}

// Packing says how the parts are packed, for people without MyDB.
const Packing = "each part is compressed with zstd, then encrypted with age"

// ManifestInstance is what the backup is of.
type ManifestInstance struct {
	ID          string            `json:"id"`
	Name        string            `json:"name"`
	Owner       string            `json:"owner"` // login
	Engine      string            `json:"engine"`
	Version     string            `json:"version"`
	Image       string            `json:"image"`
	Size        string            `json:"size"`
	Username    string            `json:"username"`
	Database    string            `json:"database"`
	Extensions  []string          `json:"extensions"`
	Settings    map[string]string `json:"settings,omitempty"`
	Description string            `json:"description,omitempty"`
	PHI         bool              `json:"phi"`
	Backup      string            `json:"schedule"`
	CreatedAt   time.Time         `json:"created_at"`
}

// ManifestPart is one object.
type ManifestPart struct {
	engine.Part
	Object string `json:"object"` // its name beside the manifest
	Size   int64  `json:"size"`   // in the store
	SHA256 string `json:"sha256"` // of what is in the store, in hexadecimal digits
	Plain  int64  `json:"plain"`  // as the tool wrote it
	// Seconds is how long it took, from the tool's first byte until all of it was uploaded.
	Seconds float64 `json:"seconds"`
}

// ManifestOf describes an instance for a manifest.
func ManifestOf(i Instance) ManifestInstance {
	return ManifestInstance{
		ID: i.ID, Name: i.Name, Owner: i.Owner, Engine: i.Engine, Version: i.Version, Image: i.Image, Size: i.Size, Username: i.Username, Database: i.Database,
		Extensions: i.Extensions, Settings: i.Settings, Description: i.Description, PHI: i.PHI, Backup: i.Backup, CreatedAt: i.CreatedAt,
	}
}

// BackupReceipt is of a verification: what was restored and counted.
type BackupReceipt struct {
	At       time.Time `json:"at"`
	OK       bool      `json:"ok"`
	Seconds  float64   `json:"seconds"`
	Server   string    `json:"server_version"` // on which it was restored
	Tables   int       `json:"tables"`
	Rows     int64     `json:"rows"`
	Checked  int       `json:"checksums"` // of how many tables the content was compared, too
	Problems []string  `json:"problems,omitempty"`
	// NotCompared is why rows were not compared: nobody knows how many there were at the moment of the backup. It is then not verified.
	NotCompared string `json:"not_compared,omitempty"`
}

// Proves reports whether a backup counts as verified.
func (r BackupReceipt) Proves() bool { return r.OK && r.NotCompared == "" }

// Compare looks for tables of a backup that are not in a restored copy with as many rows and the same checksum, and the other way
// round. At most twenty problems are told.
func Compare(want, got engine.Contents) BackupReceipt { return CompareCopy(want, got, "backup") }

// CompareCopy is Compare for a copy of something else, such as "source".
func CompareCopy(want, got engine.Contents, of string) BackupReceipt {
	r := BackupReceipt{Server: got.ServerVersion}
	if !want.Exact {
		r.NotCompared = cmp.Or(want.Why, "The "+of+" does not say of which moment its counts are.")
	}
	tell := func(text string) {
		if len(r.Problems) < 20 {
			r.Problems = append(r.Problems, text)
		}
	}
	have := map[[3]string]engine.ContentTable{}
	for _, d := range got.Databases {
		for _, t := range d.Tables {
			have[[3]string{d.Name, t.Schema, t.Name}] = t
		}
	}
	for _, d := range want.Databases {
		for _, t := range d.Tables {
			key := [3]string{d.Name, t.Schema, t.Name}
			copied, there := have[key]
			delete(have, key)
			r.compare(tableName(d.Name, t), of, want, t, copied, there, tell)
		}
	}
	for key, t := range have {
		tell(tableName(key[0], t) + " is in the copy, and not in the " + of)
	}
	r.OK = len(r.Problems) == 0
	return r
}

func (r *BackupReceipt) compare(name, of string, want engine.Contents, t, copied engine.ContentTable, there bool, tell func(string)) {
	switch {
	case !there:
		tell(name + " is not in the copy")
		return
	case t.Rows != copied.Rows && want.Exact:
		tell(name + " has " + strconv.FormatInt(copied.Rows, 10) + " rows in the copy and " + strconv.FormatInt(t.Rows, 10) + " in the " + of)
		return
	}
	r.Tables++
	r.Rows += copied.Rows
	if t.Checksum == "" || copied.Checksum == "" || !want.Exact {
		return
	}
	r.Checked++
	if t.Checksum != copied.Checksum {
		tell(name + " has other content in the copy")
	}
}

func tableName(database string, t engine.ContentTable) string {
	if t.Schema != "" {
		return database + "." + t.Schema + "." + t.Name
	}
	return database + "." + t.Name
}
