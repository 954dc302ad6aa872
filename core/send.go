package core

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	downloadsAtOnce = 8         // of one process
	sendChunk       = 256 << 10 // bytes, of which one is held back
	finishPatience  = 10 * time.Second
)

// errNotSent says that a download ended early without a fault of the backup.
var errNotSent = errors.New("the client went away, or MyDB was stopped")

// Download is a backup on its way to a person: a tar of the manifest and of all parts as the engine's tools wrote them, or one such part.
type Download struct {
	Link Link
	Name string // of the file
	Type string // media type
	Size int64  // bytes

	service  *Service
	token    string
	manifest Manifest
	text     []byte // of the manifest
	parts    []ManifestPart
	single   bool
}

// OpenDownload looks whether a link may be used for a download now, and reads what the backup consists of. part chooses one of its
// files, such as 1.dump; empty: all. Nothing is used up. Errors: as LookLink and mayDownload; CodeInvalid for a part that is not there;
// CodeUnavailable when the store does not answer.
func (s *Service) OpenDownload(ctx context.Context, req Request, token, part string) (*Download, error) {
	if err := req.Actor.needs(ScopeOperate); err != nil {
		s.noteRefusal(ctx, req, "link.use", "", err)
		return nil, err
	}
	l, err := s.LookLink(ctx, req, token)
	if err != nil {
		return nil, err
	}
	b, err := s.mayDownload(ctx, req.Actor, l)
	if err != nil {
		return nil, s.refuseLink(ctx, req, l, err)
	}
	d := &Download{Link: l, service: s, token: token}
	if err := d.readManifest(ctx, b); err != nil {
		return nil, d.explain(ctx, req, err)
	}
	return d, d.choose(part)
}

func (d *Download) readManifest(ctx context.Context, b Backup) error {
	object, err := d.object(ctx, ManifestObject)
	if err != nil {
		return err
	}
	defer object.Close()
	if d.text, err = io.ReadAll(io.LimitReader(object, MaxManifest)); err != nil {
		return unreadable(err)
	}
	if sum := sha256.Sum256(d.text); hex.EncodeToString(sum[:]) != value(b.SHA256) {
		return spoilt(ManifestObject, fmt.Errorf("%d bytes with the hash %x, and not %s", len(d.text), sum, value(b.SHA256)))
	}
	if err := json.Unmarshal(d.text, &d.manifest); err != nil {
		return fmt.Errorf("decode the manifest of backup %s: %w", b.ID, err)
	}
	return nil
}

// object opens one of the backup's objects.
func (d *Download) object(ctx context.Context, name string) (io.ReadCloser, error) {
	store, err := d.service.store()
	if err != nil {
		return nil, err
	}
	object, err := store.Get(ctx, path.Join(BackupFolder(d.Link.InstanceID, value(d.Link.Backup)), name))
	if errors.Is(err, ErrNoObject) {
		return nil, &Error{Code: CodeGone, Cause: err, Message: "A part of the backup is not in the store any more: " + name + ". Choose another backup, and tell an administrator."}
	}
	if err != nil {
		return nil, unreadable(err)
	}
	return object, nil
}

func unreadable(err error) error {
	return &Error{Code: CodeUnavailable, Cause: err, Message: "MyDB could not read from the store of backups. Try again in a few minutes; the link was not used up."}
}

// explain turns a backup that is spoilt, found before anything was sent, into what people read.
func (d *Download) explain(ctx context.Context, req Request, err error) error {
	if errors.Is(err, ErrStoreAway) {
		return unreadable(err)
	}
	var bad *PartError
	if !errors.As(err, &bad) {
		return err
	}
	d.service.log.Error("a backup is spoilt", "backup", value(d.Link.Backup), "error", err)
	return d.service.refuseLink(ctx, req, d.Link, &Error{Code: CodeGone, Cause: err, Message: bad.Message + " Choose another backup, and tell an administrator."})
}

// choose settles which parts are sent, as which file of which size.
func (d *Download) choose(part string) error {
	m, name := d.manifest, d.manifest.Instance.Name+"-"+d.manifest.BackupID
	if part == "" {
		d.parts, d.Name, d.Type = m.Parts, name+".tar", "application/x-tar"
		var err error
		d.Size, err = d.tarSize()
		return err
	}
	n := slices.IndexFunc(m.Parts, func(p ManifestPart) bool { return p.File == part })
	if n < 0 {
		files := make([]string, len(m.Parts))
		for n, p := range m.Parts {
			files[n] = p.File
		}
		return invalid("part", "The backup has no part %q. It has: %s.", clip(part), strings.Join(files, ", "))
	}
	d.parts, d.single = m.Parts[n:n+1], true
	d.Name, d.Type, d.Size = name+"-"+m.Parts[n].File, "application/octet-stream", m.Parts[n].Plain
	return nil
}

// header is of one file of the tar, which unpacks into a folder of its own and is nobody else's to read.
func (d *Download) header(file string, size int64) *tar.Header {
	folder := d.manifest.Instance.Name + "-" + d.manifest.BackupID
	return &tar.Header{Name: folder + "/" + file, Size: size, Mode: 0o600, ModTime: d.manifest.FinishedAt.Truncate(time.Second), Typeflag: tar.TypeReg}
}

// tarSize is known beforehand, so that a client that got less knows it.
func (d *Download) tarSize() (int64, error) {
	const block = 512
	total := int64(2 * block) // the end of a tar
	add := func(h *tar.Header) error {
		var b bytes.Buffer
		if err := tar.NewWriter(&b).WriteHeader(h); err != nil {
			return fmt.Errorf("name %s in a tar: %w", h.Name, err)
		}
		total += int64(b.Len()) + (h.Size+block-1)/block*block
		return nil
	}
	err := add(d.header(ManifestObject, int64(len(d.text))))
	for _, p := range d.parts {
		err = errors.Join(err, add(d.header(p.File, p.Plain)))
	}
	return total, err
}

// Send writes the download to w, in the same memory whatever its size. The link is used when the first bytes of the backup have been
// read and found to be good; then begin is called, before the first write. An error after that means that what was written must not end
// like something whole; the audit trail has it, and the link is good for another attempt, if it has one.
// Errors before it: as UseLink; CodeTooMany; CodeGone for a backup that is spoilt; CodeUnavailable.
func (d *Download) Send(ctx context.Context, req Request, w io.Writer, begin func()) (begun bool, err error) {
	s := d.service
	select {
	case s.downloads <- struct{}{}:
		defer func() { <-s.downloads }()
	default:
		return false, Errorf(CodeTooMany, "Others are downloading backups right now, and this server does %d at once. Try again in a few minutes; the link was not used up.", downloadsAtOnce)
	}
	out := &countedWriter{w: w}
	err = d.send(ctx, out, func() error {
		used, err := s.UseLink(ctx, req, d.token)
		if err != nil {
			return err
		}
		d.Link, begun = used, true
		begin()
		return nil
	})
	if !begun {
		return false, d.explain(ctx, req, err)
	}
	return true, d.finish(ctx, req, out.n, err)
}

// finish records the end, whatever became of the request.
func (d *Download) finish(ctx context.Context, req Request, n int64, err error) error {
	cut := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishPatience)
	defer cancel()
	var bad *PartError
	switch {
	case err == nil:
	case cut:
		err = errNotSent
	case errors.As(err, &bad):
		d.service.log.Error("a backup is spoilt", "backup", d.manifest.BackupID, "error", err)
	}
	more := map[string]any{"bytes": n, "file": d.Name, "attempt": d.Link.Attempts}
	return errors.Join(err, d.service.FinishLink(ctx, req, d.Link, more, err))
}

func (d *Download) send(ctx context.Context, w io.Writer, begin func() error) error {
	if d.single {
		return d.sendPart(ctx, d.parts[0], w, begin)
	}
	out := tar.NewWriter(w)
	start := sync.OnceValue(func() error {
		if err := begin(); err != nil {
			return err
		}
		if err := out.WriteHeader(d.header(ManifestObject, int64(len(d.text)))); err != nil {
			return err
		}
		_, err := out.Write(d.text)
		return err
	})
	for _, p := range d.parts {
		err := d.sendPart(ctx, p, out, func() error {
			if err := start(); err != nil {
				return err
			}
			return out.WriteHeader(d.header(p.File, p.Plain))
		})
		if err != nil {
			return err
		}
	}
	if err := start(); err != nil { // of a backup without parts
		return err
	}
	return out.Close()
}

// sendPart writes a part. Its last bytes are held back until all of it was read and found to be what was written: whatever is wrong with
// an object, nobody gets a whole file of it.
func (d *Download) sendPart(ctx context.Context, p ManifestPart, w io.Writer, start func() error) error {
	object, err := d.object(ctx, p.Object)
	if err != nil {
		return err
	}
	defer object.Close()
	held := &heldBack{w: w}
	err = ReadPart(d.service.OpenArchive, object, p, func(plain io.Reader) error {
		in := bufio.NewReaderSize(plain, sendChunk)
		if _, err := in.Peek(1); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if err := start(); err != nil {
			return err
		}
		n, err := io.Copy(held, in)
		if err == nil && n != p.Plain {
			err = spoilt(p.Object, fmt.Errorf("%d bytes unpacked, and not %d", n, p.Plain))
		}
		return err
	})
	if err != nil {
		return err
	}
	return held.release()
}

// heldBack writes everything but what was written last, until that is released.
type heldBack struct {
	w    io.Writer
	held []byte
}

func (h *heldBack) Write(p []byte) (int, error) {
	if err := h.release(); err != nil {
		return 0, err
	}
	h.held = append(h.held, p...)
	return len(p), nil
}

func (h *heldBack) release() error {
	if len(h.held) == 0 {
		return nil
	}
	_, err := h.w.Write(h.held)
	h.held = h.held[:0]
	return err
}

// countedWriter counts what is written.
type countedWriter struct {
	w io.Writer
	n int64
}

func (c *countedWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
