package evidence

import (
	"archive/zip"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// manifestLimit is how large a manifest may be, in bytes.
const manifestLimit = 1 << 20

// Verify reads a bundle to its end: that one of the keys has signed its manifest, and that its files are those that the manifest names.
// problems are sentences for people; there are none in a bundle that is as it was made. err says that it could not be read at all.
func Verify(in io.ReaderAt, size int64, keys []ed25519.PublicKey) (m Manifest, problems []string, err error) {
	archive, err := zip.NewReader(in, size)
	if err != nil {
		return m, nil, fmt.Errorf("the file is no bundle, or was cut off: %w", err)
	}
	manifest, err := read(archive, manifestName)
	if err != nil {
		return m, nil, err
	}
	signature, err := read(archive, signatureName)
	if err != nil {
		return m, nil, err
	}
	if err := json.Unmarshal(manifest, &m); err != nil {
		return m, nil, fmt.Errorf("%s cannot be read: %w", manifestName, err)
	}
	if m.Format != format {
		return m, nil, fmt.Errorf("the bundle is of format %d, and this version of MyDB reads %d: use the version that made it (%s)", m.Format, format, m.MadeBy)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(signature)))
	if err != nil || !slices.ContainsFunc(keys, func(k ed25519.PublicKey) bool { return ed25519.Verify(k, manifest, raw) }) {
		problems = append(problems, "The signature is of none of the keys that were given: the bundle is of another site, or its manifest was changed.")
	}
	return m, append(problems, compare(archive, m)...), nil
}

// compare finds files that were changed, removed or added.
func compare(archive *zip.Reader, m Manifest) (problems []string) {
	want := map[string]File{}
	for _, f := range m.Files {
		want[f.Name] = f
	}
	seen := map[string]bool{manifestName: true, signatureName: true}
	for _, entry := range archive.File {
		f, named := want[entry.Name]
		switch {
		case entry.Name == manifestName || entry.Name == signatureName:
		case !named || seen[entry.Name]:
			problems = append(problems, fmt.Sprintf("%q was added.", entry.Name))
		default:
			seen[entry.Name] = true
			if sum, err := sumOf(entry, f.Bytes); err != nil || sum != f.SHA256 {
				problems = append(problems, f.Name+" was changed.")
			}
		}
	}
	for _, f := range m.Files {
		if !seen[f.Name] {
			problems = append(problems, f.Name+" is missing.")
		}
	}
	return problems
}

// sumOf hashes a file of so many bytes, and no more of it.
func sumOf(entry *zip.File, size int64) (string, error) {
	r, err := entry.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	sum := sha256.New()
	n, err := io.Copy(sum, io.LimitReader(r, size+1))
	if err != nil || n != size {
		return "", errors.Join(err, fmt.Errorf("%d bytes in place of %d", n, size))
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

func read(archive *zip.Reader, name string) ([]byte, error) {
	f, err := archive.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the file is no bundle of evidence: it has no %s", name)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, manifestLimit))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return content, nil
}
