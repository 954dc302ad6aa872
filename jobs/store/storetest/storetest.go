// Package storetest runs a real S3 server for tests.
package storetest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ServerEnv names the program of the S3 server, versitygw. `make test` builds it.
const ServerEnv = "MYDB_TEST_S3_SERVER"

// The key that the server takes, and the bucket that it has.
const (
	AccessKey = "mydb-test"
	SecretKey = "mydb-test-secret"
	Bucket    = "backups"
)

// Serve starts an S3 server with a bucket and gives its address. The key is in the environment, where the SDK finds it, also that of
// the processes that the test starts. The server ends with the test.
func Serve(t testing.TB) (endpoint string) {
	t.Helper()
	program := os.Getenv(ServerEnv)
	if program == "" {
		t.Skip("needs an S3 server: run `make test`, which sets " + ServerEnv)
	}
	Credentials(t)
	dir := t.TempDir()
	for _, name := range []string{"data", "meta", "users"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	address := freeAddress(t)
	cmd := exec.Command(program, "--access", AccessKey, "--secret", SecretKey, "--port", address, "--iam-dir", filepath.Join(dir, "users"), "posix", "--sidecar", filepath.Join(dir, "meta"), filepath.Join(dir, "data"))
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the S3 server said: %.4000s", said.String())
		}
	})
	makeBucket(t, "http://"+address)
	return "http://" + address
}

// Credentials puts the server's key into the environment.
func Credentials(t testing.TB) {
	t.Helper()
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": AccessKey, "AWS_SECRET_ACCESS_KEY": SecretKey} {
		if err := os.Setenv(name, value); err != nil { // the same for all tests of a package, which run at once
			t.Fatal(err)
		}
	}
}

// Stranger makes a key that may do nothing on a server.
func Stranger(t testing.TB, endpoint string) (accessKey, secretKey string) {
	t.Helper()
	accessKey, secretKey = "stranger", "strangers-secret"
	out, err := exec.CommandContext(t.Context(), os.Getenv(ServerEnv), "admin", "--access", AccessKey, "--secret", SecretKey, "--endpoint-url", endpoint,
		"create-user", "--access", accessKey, "--secret", secretKey, "--role", "user").CombinedOutput()
	if err != nil {
		t.Fatalf("make a user: %v %s", err, out)
	}
	return accessKey, secretKey
}

func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// URL is a store on the server, in the form of MYDB_STORE_URL.
func URL(endpoint string) string {
	return "s3://" + Bucket + "/a/prefix?path_style=true&endpoint=" + endpoint
}

// LockedBucket makes a bucket with Object Lock, and gives a store there that locks what is written for a day.
func LockedBucket(t testing.TB, endpoint string) string {
	t.Helper()
	const name = "locked"
	_, err := Client(endpoint).CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(name), ObjectLockEnabledForBucket: aws.Bool(true)})
	if err != nil {
		t.Fatalf("make a bucket with Object Lock: %v", err)
	}
	return "s3://" + name + "/?path_style=true&lock=GOVERNANCE&lock_for=1d&endpoint=" + endpoint
}

// Unlock takes the lock off all objects of that bucket.
func Unlock(t testing.TB, endpoint string) {
	t.Helper()
	client, bucket := Client(endpoint), aws.String("locked")
	list, err := client.ListObjectsV2(t.Context(), &s3.ListObjectsV2Input{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range list.Contents {
		_, err := client.PutObjectRetention(t.Context(), &s3.PutObjectRetentionInput{
			Bucket: bucket, Key: o.Key, BypassGovernanceRetention: aws.Bool(true),
			Retention: &types.ObjectLockRetention{Mode: types.ObjectLockRetentionModeGovernance, RetainUntilDate: aws.Time(time.Now().Add(2 * time.Second))},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Client is a client of the server.
func Client(endpoint string) *s3.Client {
	return s3.New(s3.Options{Region: "us-east-1", BaseEndpoint: &endpoint, UsePathStyle: true, Credentials: credentials.NewStaticCredentialsProvider(AccessKey, SecretKey, "")})
}

func makeBucket(t testing.TB, endpoint string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		_, err := Client(endpoint).CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String(Bucket)})
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("make a bucket: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}
