package portal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gorilla/mux"
	"github.com/rs/xid"

	"github.com/mydb-project/mydb/core"
)

// maxBody is the largest request, in bytes: an init script of 64 KiB fits, whatever its escapes.
const maxBody = 256 << 10

func refuse(field, format string, args ...any) *core.Error {
	return &core.Error{Code: core.CodeInvalid, Field: field, Message: fmt.Sprintf(format, args...)}
}

// decode reads a JSON body into v, strictly: whatever v has no place for is refused, so that a misspelt option is not lost.
func decode(w http.ResponseWriter, r *http.Request, v any) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return explainJSON(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return refuse("", "The body goes on after the JSON object. Send one object.")
	}
	return checkStrings(reflect.ValueOf(v).Elem())
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if header := r.Header.Get("Content-Type"); header != "" {
		media, _, err := mime.ParseMediaType(header)
		if err != nil || media != "application/json" && !strings.HasSuffix(media, "+json") {
			return nil, &problem{status: http.StatusUnsupportedMediaType, err: refuse("Content-Type", "Send JSON, with the header \"Content-Type: application/json\".")}
		}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return nil, err
	case err != nil:
		return nil, refuse("", "The body of the request did not arrive in full. Send it again.")
	case len(bytes.TrimSpace(body)) == 0:
		return nil, refuse("", "The body is empty. Send a JSON object.")
	case !utf8.Valid(body):
		return nil, refuse("", "The body is not valid UTF-8. Save it in that encoding and try again.")
	}
	return body, nil
}

// explainJSON says what the decoder did not like. encoding/json has no type for unknown fields, only a text.
func explainJSON(err error) error {
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) {
		if wrongType.Field == "" {
			return refuse("", "The body must be a JSON object, not a JSON %s.", wrongType.Value)
		}
		return refuse(wrongType.Field, "The field %s takes %s, not a JSON %s.", wrongType.Field, jsonKind(wrongType.Type), wrongType.Value)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		if field, unquoteErr := strconv.Unquote(name); unquoteErr == nil {
			field = short(plain(field), 60)
			return refuse(field, "There is no field %q here. %s/openapi.json lists the fields.", field, apiPrefix)
		}
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return refuse("", "The body is not valid JSON: after %d bytes, %s.", syntax.Offset, strings.TrimPrefix(syntax.Error(), "json: "))
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return refuse("", "The body is not valid JSON: it ends too early.")
	}
	return refuse("", "The body is not understood: %s.", strings.TrimPrefix(err.Error(), "json: "))
}

func jsonKind(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a number"
	}
}

// checkStrings refuses NUL characters, which Postgres can neither store nor compare with.
func checkStrings(v reflect.Value) error {
	for i := range v.NumField() {
		var texts []string
		switch f := v.Field(i); {
		case f.Kind() == reflect.Struct && v.Type().Field(i).Anonymous:
			if err := checkStrings(f); err != nil {
				return err
			}
		case f.Kind() == reflect.String:
			texts = append(texts, f.String())
		case f.Type() == reflect.TypeFor[[]string]():
			texts, _ = f.Interface().([]string)
		}
		if slices.ContainsFunc(texts, func(s string) bool { return strings.ContainsRune(s, 0) }) {
			field, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			return refuse(field, "The field %s holds a NUL character. Take it out.", field)
		}
	}
	return nil
}

// itemOf is the {name} or {id} of the path.
func itemOf(r *http.Request) string {
	v := mux.Vars(r)
	return short(plain(cmp.Or(v["name"], v["id"])), 100) // of a path with both, the id is a part of the name's
}

// checkQuery refuses query parameters that would be ignored, and repeated ones.
func checkQuery(r *http.Request, known []string) error {
	for name, values := range r.URL.Query() {
		shown := short(plain(name), 60)
		if !slices.Contains(known, name) {
			if len(known) == 0 {
				return refuse(shown, "There is no parameter %q here.", shown)
			}
			return refuse(shown, "There is no parameter %q here. There is: %s.", shown, strings.Join(known, ", "))
		}
		if len(values) > 1 {
			return refuse(shown, "The parameter %q is there twice. Send it once.", shown)
		}
	}
	return nil
}

// pageOf reads limit and cursor.
func pageOf(r *http.Request) (core.Page, error) {
	q := r.URL.Query()
	page := core.Page{Limit: core.DefaultPage, Cursor: q.Get("cursor")}
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > core.MaxPage {
			return page, refuse("limit", "The limit is a number from 1 to %d.", core.MaxPage)
		}
		page.Limit = n
	}
	if q.Has("cursor") {
		if _, err := xid.FromString(page.Cursor); err != nil {
			return page, refuse("cursor", "The cursor is the \"next\" of the answer before. Leave it out to start from the beginning.")
		}
	}
	return page, nil
}

// flagOf reads a parameter that is true or false.
func flagOf(r *http.Request, name string) (bool, error) {
	switch value := r.URL.Query().Get(name); value {
	case "", "false", "0":
		return false, nil
	case "true", "1":
		return true, nil
	default:
		return false, refuse(name, "The parameter %q is true or false.", name)
	}
}

// expiryOf reads when a token ends: RFC 3339, or a number of days such as 90d. Empty leaves it to core.
func expiryOf(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at.UTC(), nil
	}
	days, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(days)
	if !isDays || err != nil || n < 1 || n > 36500 {
		return time.Time{}, refuse("expires", "The expiry %q is not understood. Write a number of days such as 90d, or a time such as 2027-06-30T00:00:00Z.", short(plain(text), 60))
	}
	return now.UTC().AddDate(0, 0, n), nil
}
