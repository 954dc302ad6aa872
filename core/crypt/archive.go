package crypt

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

// Archives are compressed with zstd (RFC 8878) and then encrypted with age (age-encryption.org/v1), so that both standard programs
// open them. The fastest level costs the least time and packs about as well as gzip; see docs/benchmarks.md.
const (
	zstdThreads = 2
	zstdWindow  = 1 << 20 // bytes
)

// Recipients are who can open an archive: MyDB's key, and escrow keys that are kept elsewhere.
type Recipients struct {
	list []age.Recipient
	ids  []string
}

// Recipients gives those of the keyring's first key and of further public keys (age1...).
func (k *Keyring) Recipients(escrow []string) (Recipients, error) {
	own := k.now.Load()
	r := Recipients{list: []age.Recipient{own.recipient}, ids: own.public[:1:1]}
	for _, key := range escrow {
		e, err := age.ParseX25519Recipient(key)
		if err != nil {
			return r, fmt.Errorf("escrow key %q: %w", key, err)
		}
		r.list, r.ids = append(r.list, e), append(r.ids, key)
	}
	return r, nil
}

// IDs are the public keys of those who can open what is sealed.
func (r Recipients) IDs() []string { return r.ids }

// ArchiveWriter compresses and encrypts what is written to it.
type ArchiveWriter struct {
	zip  *zstd.Encoder
	seal io.WriteCloser
}

// Archive writes to w what is written to it, compressed and encrypted. Close ends the archive; one that was not closed cannot be
// opened to its end.
func (r Recipients) Archive(w io.Writer) (*ArchiveWriter, error) {
	seal, err := age.Encrypt(w, r.list...)
	if err != nil {
		return nil, fmt.Errorf("begin to encrypt: %w", err)
	}
	zip, err := zstd.NewWriter(seal, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(zstdThreads), zstd.WithWindowSize(zstdWindow))
	if err != nil {
		return nil, fmt.Errorf("begin to compress: %w", err)
	}
	return &ArchiveWriter{zip: zip, seal: seal}, nil
}

// Write implements io.Writer.
func (a *ArchiveWriter) Write(p []byte) (int, error) { return a.zip.Write(p) }

// Close ends the archive, and not the writer below.
func (a *ArchiveWriter) Close() error {
	return errors.Join(a.zip.Close(), a.seal.Close())
}

// OpenArchive reads an archive with any key of the keyring. An archive that was changed or cut off is an error before its end.
// Errors: ErrOtherKey.
func (k *Keyring) OpenArchive(r io.Reader) (io.ReadCloser, error) {
	plain, err := k.decrypt(r)
	if err != nil {
		return nil, fmt.Errorf("open the archive: %w", err)
	}
	unzip, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(zstdThreads), zstd.WithDecoderMaxWindow(64<<20))
	if err != nil {
		return nil, fmt.Errorf("begin to decompress: %w", err)
	}
	return archiveReader{unzip, plain}, nil
}

// archiveReader reads on to the end of the encryption: the compressed stream ends before it, and what follows would go unread.
type archiveReader struct {
	*zstd.Decoder
	sealed io.Reader
}

func (a archiveReader) Read(p []byte) (int, error) {
	n, err := a.Decoder.Read(p)
	if errors.Is(err, io.EOF) {
		if rest, restErr := io.Copy(io.Discard, a.sealed); restErr != nil || rest > 0 {
			return n, fmt.Errorf("the archive goes on after its end (%d bytes): %w", rest, errors.Join(restErr, io.ErrUnexpectedEOF))
		}
	}
	return n, err
}

func (a archiveReader) Close() error {
	a.Decoder.Close()
	return nil
}

// CheckEscrow refuses what is no public key.
func CheckEscrow(key string) error {
	if _, err := age.ParseX25519Recipient(strings.TrimSpace(key)); err != nil {
		return fmt.Errorf("%q is no public key of age (age1...): %w", key, err)
	}
	return nil
}
