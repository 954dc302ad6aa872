package mongodb

import (
	"bytes"
	"encoding/binary"
	"hash/crc64"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// archiveOf writes an archive as mongodump does: two documents of a collection, and a view.
func archiveOf(t *testing.T) (out []byte, documents []byte) {
	t.Helper()
	add := func(to *[]byte, v any) {
		t.Helper()
		text, err := bson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		*to = append(*to, text...)
	}
	end := []byte{0xff, 0xff, 0xff, 0xff}
	out = binary.LittleEndian.AppendUint32(nil, archiveNumber)
	add(&out, bson.D{{Key: "version", Value: "0.1"}})
	for name, kind := range map[string]string{"genes": "collection", "view": "view"} {
		add(&out, bson.D{{Key: "db", Value: "d"}, {Key: "collection", Value: name}, {Key: "type", Value: kind}})
	}
	add(&documents, bson.D{{Key: "_id", Value: 1}, {Key: "text", Value: strings.Repeat("x", 100)}})
	add(&documents, bson.D{{Key: "_id", Value: 2}})
	out = append(out, end...)
	add(&out, archiveHeader{Database: "d", Collection: "genes"})
	out = append(append(out, documents...), end...)
	add(&out, archiveHeader{Database: "d", Collection: "genes", End: true, Sum: int64(crc64.Checksum(documents, crc64.MakeTable(crc64.ECMA)))})
	out = append(out, end...)
	add(&out, archiveHeader{Database: "d", Collection: "view", End: true})
	return append(out, end...), documents
}

// TestReadArchive counts what is there, and takes nothing that is cut off anywhere, or changed, for an archive.
func TestReadArchive(t *testing.T) {
	t.Parallel()
	whole, documents := archiveOf(t)
	list, err := readArchive(bytes.NewReader(whole))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range list {
		if want := map[string]int64{"genes": 2, "view": 0}[c.Collection]; c.rows != want || !c.ended {
			t.Errorf("%s has %d documents, want %d", c.Collection, c.rows, want)
		}
	}
	for n := range whole {
		if _, err := readArchive(bytes.NewReader(whole[:n])); err == nil {
			t.Errorf("%d bytes of %d are taken for whole", n, len(whole))
		}
	}
	at := bytes.Index(whole, documents)
	for n := range documents {
		changed := bytes.Clone(whole)
		changed[at+n] ^= 4
		if _, err := readArchive(bytes.NewReader(changed)); err == nil {
			t.Errorf("a flipped bit in byte %d of the documents is not noticed", n)
		}
	}
	if _, err := readArchive(bytes.NewReader(append(bytes.Clone(whole), whole[4:]...))); err == nil {
		t.Error("an archive that goes on after its end is taken")
	}
}
