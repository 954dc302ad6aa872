package storetest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rs/zerolog"
)

// Line is a way to a server that can be made bad.
type Line struct {
	Endpoint string
	proxy    *toxiproxy.Proxy
}

// Through makes a way to a server. It ends with the test.
func Through(t testing.TB, endpoint string) *Line {
	t.Helper()
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, "s3", "127.0.0.1:0", strings.TrimPrefix(endpoint, "http://"))
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return &Line{Endpoint: "http://" + proxy.Listen, proxy: proxy}
}

// The directions of a line: what MyDB sends, and what it gets.
const (
	Up   = "upstream"
	Down = "downstream"
)

// Spoil makes the line bad in one way, in one direction: https://github.com/Shopify/toxiproxy#toxics.
func (l *Line) Spoil(t testing.TB, how, direction string, attributes map[string]int64) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"type": how, "stream": direction, "attributes": attributes})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.proxy.Toxics.AddToxicJson(bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
}

// Mend makes the line good again.
func (l *Line) Mend(t testing.TB) {
	t.Helper()
	l.proxy.Toxics.ResetToxics(t.Context())
}

// Before puts a server before a server, which sees every request. When answer reports that it has answered, the request goes no further.
func Before(t testing.TB, endpoint string, answer func(http.ResponseWriter, *http.Request) bool) string {
	t.Helper()
	to, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host // it is signed
	}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !answer(w, r) {
			proxy.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// Fail answers as a service does that is out of order.
func Fail(w http.ResponseWriter, r *http.Request, status int, code string) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>it does not work</Message></Error>"))
	return true
}

// Operation is what a request is about, in the words of S3.
func Operation(r *http.Request) string {
	q, isObject := r.URL.Query(), strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0
	switch r.Method {
	case http.MethodPost:
		if q.Has("uploads") {
			return "CreateMultipartUpload"
		}
		return "CompleteMultipartUpload"
	case http.MethodPut:
		if q.Has("uploadId") {
			return "UploadPart"
		}
		return "PutObject"
	case http.MethodDelete:
		if q.Has("uploadId") {
			return "AbortMultipartUpload"
		}
		return "DeleteObject"
	case http.MethodHead:
		if isObject {
			return "HeadObject"
		}
		return "HeadBucket"
	}
	switch {
	case isObject:
		return "GetObject"
	case q.Has("uploads"):
		return "ListMultipartUploads"
	}
	return "ListObjects"
}

// Uploads lists the uploads that are not finished.
func Uploads(t testing.TB, endpoint string) (keys []string) {
	t.Helper()
	out, err := Client(endpoint).ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String(Bucket)})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range out.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys
}
