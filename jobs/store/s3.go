package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	transfertypes "github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"

	"github.com/mydb-project/mydb/core/config"
	"github.com/mydb-project/mydb/jobs"
)

// How objects are uploaded: in parts of at least this size, so many at once. S3 takes at most 10,000 parts of an object, so what is
// expected to be larger than 80 GB gets larger parts; twice what is expected still fits.
const (
	partSize    = 8 << 20
	partsAtOnce = 3
	maxParts    = 10_000
	abortWithin = 30 * time.Second
)

// bucket is a store in a bucket of an S3 service.
type bucket struct {
	client   *s3.Client
	transfer *transfermanager.Client
	config.Store
	now func() time.Time
}

func newS3(ctx context.Context, c config.Store) (*bucket, error) {
	sdk, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(c.Region), awsconfig.WithHTTPClient(impatientClient(c.Patience)))
	if err != nil {
		return nil, fmt.Errorf("read the settings of the AWS SDK: %w", err)
	}
	client := s3.NewFromConfig(sdk, func(o *s3.Options) {
		o.UsePathStyle, o.DisableLogOutputChecksumValidationSkipped = c.PathStyle, true // what is read is hashed here
		o.RetryMaxAttempts = 5
		if c.Endpoint != "" {
			o.BaseEndpoint = &c.Endpoint
		}
	})
	transfer := transfermanager.New(client, func(o *transfermanager.Options) {
		o.Concurrency, o.MultipartUploadThreshold, o.FailTimeout = partsAtOnce, partSize, abortWithin
	})
	return &bucket{client: client, transfer: transfer, Store: c, now: time.Now}, nil
}

func (b *bucket) key(key string) (*string, error) {
	return aws.String(path.Join(b.Prefix, key)), checkKey(key)
}

// Put implements jobs.Store. Every part carries a checksum, which the service compares. An upload that fails is aborted.
func (b *bucket) Put(ctx context.Context, key string, r io.Reader, expected int64) error {
	name, err := b.key(key)
	if err != nil {
		return err
	}
	body := &endReader{r: reader{ctx, r}}
	in := &transfermanager.UploadObjectInput{
		Bucket: &b.Bucket, Key: name, Body: body,
		ServerSideEncryption: transfertypes.ServerSideEncryption(b.SSE), StorageClass: transfertypes.StorageClass(b.StorageClass),
	}
	if b.LockMode != "" {
		in.ObjectLockMode = transfertypes.ObjectLockMode(b.LockMode)
		in.ObjectLockRetainUntilDate = aws.Time(b.now().Add(b.LockFor))
	}
	_, err = b.transfer.UploadObject(ctx, in, func(o *transfermanager.Options) {
		o.PartSizeBytes = partSizeFor(expected)
		o.MultipartUploadThreshold = o.PartSizeBytes
	})
	if err = explain("write "+key, err); errors.Is(err, jobs.ErrNoObject) && body.ended {
		return b.completed(ctx, key, body.n, err)
	}
	return err
}

// completed looks for an object whose upload the service no longer knows, after all of it was sent: it was completed, and the answer was
// lost on the way.
func (b *bucket) completed(ctx context.Context, key string, size int64, err error) error {
	if o, headErr := b.Head(ctx, key); headErr != nil || o.Size != size {
		return errors.Join(err, headErr)
	}
	return nil
}

// endReader counts, and notices the end.
type endReader struct {
	r     io.Reader
	n     int64
	ended bool
}

// Read implements io.Reader.
func (e *endReader) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	e.n += int64(n)
	e.ended = e.ended || errors.Is(err, io.EOF)
	return n, err
}

func partSizeFor(expected int64) int64 {
	const mib = 1 << 20
	return max(partSize, (2*expected/maxParts+mib-1)/mib*mib)
}

// Get implements jobs.Store.
func (b *bucket) Get(ctx context.Context, key string) (io.ReadCloser, error) {
	name, err := b.key(key)
	if err != nil {
		return nil, err
	}
	r := &resuming{ctx: ctx, bucket: b, name: name, key: key}
	return r, r.open()
}

// Head implements jobs.Store.
func (b *bucket) Head(ctx context.Context, key string) (jobs.Object, error) {
	name, err := b.key(key)
	if err != nil {
		return jobs.Object{}, err
	}
	out, err := b.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &b.Bucket, Key: name})
	if err != nil {
		return jobs.Object{}, explain("look at "+key, err)
	}
	o := jobs.Object{Key: key, Size: aws.ToInt64(out.ContentLength), At: aws.ToTime(out.LastModified), Lock: aws.ToTime(out.ObjectLockRetainUntilDate)}
	if out.ObjectLockLegalHoldStatus == s3types.ObjectLockLegalHoldStatusOn {
		o.Lock = b.now().AddDate(100, 0, 0) // until somebody takes it off
	}
	return o, nil
}

// List implements jobs.Store.
func (b *bucket) List(ctx context.Context, folder string) iter.Seq2[jobs.Object, error] {
	return func(yield func(jobs.Object, error) bool) {
		prefix := path.Join(b.Prefix, folder)
		if prefix != "" {
			prefix += "/"
		}
		pages := s3.NewListObjectsV2Paginator(b.client, &s3.ListObjectsV2Input{Bucket: &b.Bucket, Prefix: &prefix})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				yield(jobs.Object{}, explain("list "+folder, err))
				return
			}
			for _, o := range page.Contents {
				key := strings.TrimPrefix(strings.TrimPrefix(aws.ToString(o.Key), b.Prefix), "/")
				if !yield(jobs.Object{Key: key, Size: aws.ToInt64(o.Size), At: aws.ToTime(o.LastModified)}, nil) {
					return
				}
			}
		}
	}
}

// Remove implements jobs.Store.
func (b *bucket) Remove(ctx context.Context, key string) error {
	name, err := b.key(key)
	if err != nil {
		return err
	}
	_, err = b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.Bucket, Key: name})
	if err = explain("remove "+key, err); errors.Is(err, jobs.ErrNoObject) {
		return nil
	}
	return err
}

// Sweep implements jobs.Store.
func (b *bucket) Sweep(ctx context.Context, folder string, before time.Time) (swept int, err error) {
	prefix := path.Join(b.Prefix, folder)
	if prefix != "" {
		prefix += "/"
	}
	pages := s3.NewListMultipartUploadsPaginator(b.client, &s3.ListMultipartUploadsInput{Bucket: &b.Bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return swept, explain("list unfinished uploads", err)
		}
		for _, u := range page.Uploads {
			if !aws.ToTime(u.Initiated).Before(before) {
				continue
			}
			_, err := b.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &b.Bucket, Key: u.Key, UploadId: u.UploadId})
			if err = explain("end an unfinished upload", err); err != nil && !errors.Is(err, jobs.ErrNoObject) {
				return swept, err
			}
			swept++
		}
	}
	return swept, nil
}

// Check implements jobs.Store.
func (b *bucket) Check(ctx context.Context) error {
	if _, err := b.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &b.Bucket}); err != nil {
		return explain("look at the bucket "+b.Bucket, err)
	}
	free := *b
	free.LockMode = "" // or each check would leave an object for as long as the lock lasts
	return roundTrip(ctx, &free)
}

// Location implements jobs.Store.
func (b *bucket) Location(key string) string { return "s3://" + path.Join(b.Bucket, b.Prefix, key) }

// explain adds what an operator can do about an error of the service.
func explain(what string, err error) error {
	if err == nil {
		return nil
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return fmt.Errorf("%s: %w", what, err)
	}
	if locked(api) {
		return fmt.Errorf("%s: %w", what, &jobs.LockedError{Err: err})
	}
	switch api.ErrorCode() {
	case "NoSuchKey", "NotFound", "NoSuchUpload":
		return fmt.Errorf("%s: %w (%w)", what, jobs.ErrNoObject, err)
	case "NoSuchBucket":
		return fmt.Errorf("%s: there is no such bucket; make it, or correct MYDB_STORE_URL (%w)", what, err)
	case "AccessDenied", "Forbidden", "InvalidAccessKeyId", "SignatureDoesNotMatch":
		return fmt.Errorf("%s: the service refuses the key; it needs to list the bucket, and to read, write and delete its objects (%w)", what, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// locked recognises how services say that Object Lock forbids something: they have no common code for it.
func locked(err smithy.APIError) bool {
	text := strings.ToLower(err.ErrorCode() + " " + err.ErrorMessage())
	return strings.Contains(text, "objectlock") || strings.Contains(text, "object lock") || strings.Contains(text, "worm protected")
}

// resumes is how often the reading of an object is taken up again without any byte in between.
const resumes = 5

// resuming reads an object, and goes on where it was when the connection is cut.
type resuming struct {
	ctx    context.Context
	bucket *bucket
	name   *string
	key    string
	body   io.ReadCloser
	at     int64   // bytes that were read
	size   int64   // of the object
	etag   *string // so that a resumed read is of the same object
	failed int
}

func (r *resuming) open() error {
	in := &s3.GetObjectInput{Bucket: &r.bucket.Bucket, Key: r.name, IfMatch: r.etag}
	if r.at > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", r.at))
	}
	out, err := r.bucket.client.GetObject(r.ctx, in)
	if err != nil {
		return explain("read "+r.key, err)
	}
	if r.at == 0 {
		r.size, r.etag = aws.ToInt64(out.ContentLength), out.ETag
	}
	r.body = out.Body
	return nil
}

// Read implements io.Reader.
func (r *resuming) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	r.at += int64(n)
	if n > 0 {
		r.failed = 0
	}
	if err == nil || errors.Is(err, io.EOF) && r.at >= r.size {
		return n, err
	}
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	for r.failed < resumes && r.ctx.Err() == nil {
		r.failed++
		_ = r.body.Close()
		if again := r.open(); again == nil {
			return n, nil
		}
		r.body = io.NopCloser(strings.NewReader("")) // closed again at the next try
	}
	return n, fmt.Errorf("read %s: %w", r.key, err)
}

// Close implements io.Closer.
func (r *resuming) Close() error { return r.body.Close() }
