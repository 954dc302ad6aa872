package mongodb

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/mydb-project/mydb/core/engine"
)

// How mongodump writes an archive (mongo-tools, common/archive): a number, and then blocks of a header, documents and a terminator. The
// first block lists the collections; each other is of one collection, and the last of each has a sum of all its documents.
const (
	archiveNumber     = 0x8199e26d
	archiveTerminator = 0xffffffff
	maxDocument       = 16<<20 + 16<<10 // bytes
	minDocument       = 5
)

// archiveHeader begins a block.
type archiveHeader struct {
	Database   string `bson:"db"`
	Collection string `bson:"collection"`
	End        bool   `bson:"EOF"`
	Sum        int64  `bson:"CRC"`
}

// archived is a collection of an archive, with what was read of it.
type archived struct {
	Database   string `bson:"db"`
	Collection string `bson:"collection"`
	Type       string `bson:"type"` // collection, timeseries or view
	tally
	sum   hash.Hash64 // of all documents one after the other, as the archive has it
	ended bool
}

// tally counts documents.
type tally struct {
	rows, bytes int64
	checksum    uint64 // which does not depend on the order
}

var checksums = crc64.MakeTable(crc64.ISO)

func (t *tally) add(document []byte) {
	t.rows++
	t.bytes += int64(len(document))
	t.checksum += crc64.Checksum(document, checksums)
}

// table is what contents say of a collection. Its checksum is left out when there is more than so many bytes.
func (t tally) table(name string, checksumBelow int64) engine.ContentTable {
	out := engine.ContentTable{Name: name, Rows: t.rows}
	if t.bytes <= checksumBelow {
		out.Checksum = strconv.FormatUint(t.checksum, 10)
	}
	return out
}

// bucketsPrefix begins the name of the collection in which the server keeps the documents of a time series.
const bucketsPrefix = "system.buckets."

// archiveReader reads an archive to its end.
type archiveReader struct {
	in   *bufio.Reader
	list []*archived
	has  map[string]*archived // by database and collection
}

// readArchive reads an archive to its end: every document, every sum, and the end of every collection. mongorestore --dryRun reads no
// further than the list of collections.
func readArchive(data io.Reader) ([]*archived, error) {
	r := &archiveReader{in: bufio.NewReaderSize(data, 1<<20), has: map[string]*archived{}}
	if err := r.prelude(); err != nil {
		return nil, fmt.Errorf("the beginning of the archive: %w", err)
	}
	for {
		err := r.block()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	for _, c := range r.list {
		if !c.ended {
			return nil, fmt.Errorf("the archive ends before the collection %s.%s does", c.Database, c.Collection)
		}
	}
	return r.list, nil
}

func (r *archiveReader) prelude() error {
	var number uint32
	if err := binary.Read(r.in, binary.LittleEndian, &number); err != nil {
		return whole(err)
	}
	if number != archiveNumber {
		return errors.New("this is no archive of mongodump")
	}
	if document, err := r.document(); err != nil || document == nil {
		return errors.Join(whole(err), errors.New("it has no header"))
	}
	for {
		document, err := r.document()
		if err != nil || document == nil {
			return whole(err)
		}
		c := &archived{sum: crc64.New(crc64.MakeTable(crc64.ECMA))}
		if err := bson.Unmarshal(document, c); err != nil {
			return fmt.Errorf("the list of collections: %w", err)
		}
		at := c.Collection
		if c.Type == "timeseries" {
			at = bucketsPrefix + at
		}
		r.list, r.has[c.Database+"."+at] = append(r.list, c), c
	}
}

// block reads one block. io.EOF says that there is none left.
func (r *archiveReader) block() error {
	document, err := r.document()
	if err != nil {
		return err
	}
	var h archiveHeader
	if err := bson.Unmarshal(document, &h); err != nil {
		return fmt.Errorf("the header of a block: %w", err)
	}
	c := r.has[h.Database+"."+h.Collection]
	if c == nil || c.ended {
		return fmt.Errorf("the archive has documents of %s.%s, which is not in its list or has ended", h.Database, h.Collection)
	}
	if c.ended = h.End; c.ended && int64(c.sum.Sum64()) != h.Sum {
		return fmt.Errorf("the documents of %s.%s are not those that were written", h.Database, h.Collection)
	}
	return r.documents(c)
}

func (r *archiveReader) documents(c *archived) error {
	for {
		document, err := r.document()
		switch {
		case err != nil:
			return fmt.Errorf("documents of %s.%s: %w", c.Database, c.Collection, whole(err))
		case document == nil:
			return nil
		case c.ended:
			return fmt.Errorf("%s.%s goes on after its end", c.Database, c.Collection)
		}
		_, _ = c.sum.Write(document) // never fails
		c.add(document)
	}
}

// document reads a document, or nil for a terminator. io.EOF says that there is nothing left.
func (r *archiveReader) document() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint32(head[:])
	if size == archiveTerminator {
		return nil, nil
	}
	if size < minDocument || size > maxDocument {
		return nil, fmt.Errorf("%d is neither the size of a document nor the end of a block", size)
	}
	document := make([]byte, size)
	copy(document, head[:])
	if _, err := io.ReadFull(r.in, document[len(head):]); err != nil {
		return nil, whole(err)
	}
	if document[size-1] != 0 {
		return nil, errors.New("a document does not end as documents do")
	}
	return document, nil
}

// whole makes an end where none may be an error.
func whole(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
