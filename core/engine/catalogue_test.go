package engine_test

import (
	"bytes"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/mydb-project/mydb/core/engine"
)

func TestBuiltInCatalogue(t *testing.T) {
	c := engine.BuiltIn()
	if len(c.Engines) == 0 || c.Engines[0].Engine != "postgres" {
		t.Fatalf("the catalogue begins with %v", c.Engines)
	}
	if names := c.SizeNames(); names[0] != "small" {
		t.Errorf("the default size is %s", names[0])
	}
	for _, o := range c.Engines {
		offered := o.Offered()
		if len(offered) == 0 {
			t.Errorf("%s offers no version", o.Engine)
			continue
		}
		if v, ok := o.Version(offered[0]); !ok || v.Deprecated {
			t.Errorf("%s: the default version %s is not on offer", o.Engine, offered[0])
		}
		seen := map[string]bool{}
		for _, v := range o.Versions {
			if seen[v.Version] {
				t.Errorf("%s %s is there twice", o.Engine, v.Version)
			}
			seen[v.Version] = true
			if !slices.Contains(c.Images(), v.Image) != v.Deprecated {
				t.Errorf("%s %s: images needed are %v", o.Engine, v.Version, c.Images())
			}
		}
		// The list is sorted, so that people and reviewers find things, and nothing is there twice.
		if !slices.IsSorted(o.Extensions) || len(slices.Compact(slices.Clone(o.Extensions))) != len(o.Extensions) {
			t.Errorf("%s: extensions are not sorted or not unique: %v", o.Engine, o.Extensions)
		}
	}
	var last engine.Size
	for _, s := range c.Sizes {
		if s.CPU < last.CPU || s.Memory < last.Memory || s.Disk < last.Disk || s.Connections < last.Connections {
			t.Errorf("size %s is in one respect smaller than %s before it", s.Name, last.Name)
		}
		last = s
	}
}

func TestUnknownNamesAreNotFound(t *testing.T) {
	c := engine.BuiltIn()
	if _, ok := c.Offer("oracle"); ok {
		t.Error("found the engine oracle")
	}
	if _, ok := c.Size("gigantic"); ok {
		t.Error("found the size gigantic")
	}
	offer, _ := c.Offer("postgres")
	if _, ok := offer.Version("9.6"); ok {
		t.Error("found version 9.6")
	}
}

const small = `
engines:
  - engine: postgres
    versions: [{ version: "17", image: "postgres:17", data_path: /var/lib/postgresql/data }]
sizes:
  - { name: small, cpu: 1, cpu_reserved: 0.5, memory: 1GiB, memory_reserved: 128MiB, shm: 256MiB, disk: 10GiB, connections: 50 }
`

func TestReadCatalogue(t *testing.T) {
	c, err := engine.ReadCatalogue(strings.NewReader(small))
	if err != nil {
		t.Fatal(err)
	}
	s, _ := c.Size("small")
	if s.Memory != 1<<30 || s.SHM != 256<<20 || s.CPUReserved != 0.5 || s.Connections != 50 {
		t.Errorf("read %+v", s)
	}
	for _, c := range []struct {
		name, old, new string
		say            string // the error must say this
	}{
		{"unknown key", "cpu_reserved", "cpu_reservde", "cpu_reservde"},
		{"no size unit", "1GiB", "lots", "lots"},
		{"no absolute path", "/var", "var", "data_path"},
		{"no image", `image: "postgres:17", `, "", "image"},
		{"no versions", `[{ version: "17", image: "postgres:17", data_path: /var/lib/postgresql/data }]`, "[]", "no versions"},
		{"less than a core", "cpu: 1,", "cpu: 0.5,", "1 cpu"},
		{"a core that is no number", "cpu: 1,", "cpu: .nan,", "1 cpu"},
		{"reserved cores that are no number", "cpu_reserved: 0.5", "cpu_reserved: .nan", "reserved"},
		{"a version twice", "[{ version", `[{ version: "17", image: "postgres:17", data_path: /var/lib/postgresql/data }, { version`, "twice"},
		{"reserved beyond the limit", "memory_reserved: 128MiB", "memory_reserved: 2GiB", "reserved"},
		{"no sizes", small[strings.Index(small, "sizes:"):], "sizes: []", "at least one"},
		{"empty", small, "", "read catalogue"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(small, c.old, c.new, 1)
			if text == small {
				t.Fatal("the case changes nothing")
			}
			_, err := engine.ReadCatalogue(strings.NewReader(text))
			if err == nil || !strings.Contains(err.Error(), c.say) {
				t.Errorf("got %v, want it to speak of %q", err, c.say)
			}
		})
	}
}

// Versions without an image on this machine stay known, because instances of them may exist, but are not offered.
func TestWithImages(t *testing.T) {
	c := engine.BuiltIn()
	local := c.WithImages(func(image string) (string, bool) {
		return "dev/" + image, strings.HasPrefix(image, "postgres:15") || strings.HasPrefix(image, "postgres:17")
	})
	offer, _ := local.Offer("postgres")
	if got := offer.Offered(); !slices.Equal(got, []string{"17", "15"}) {
		t.Errorf("offered: %v", got)
	}
	if v, ok := offer.Version("17"); !ok || v.Image != "dev/postgres:17" {
		t.Errorf("17 runs %q", v.Image)
	}
	if v, ok := offer.Version("16"); !ok || !v.Deprecated {
		t.Errorf("16 is %+v, %v", v, ok)
	}
	if before, _ := c.Offer("postgres"); len(before.Offered()) < 6 {
		t.Error("the catalogue that was asked has changed")
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]engine.Bytes{"512MiB": 512 << 20, "1GiB": 1 << 30, "4096": 4096, "0.5GiB": 512 << 20} {
		var got engine.Bytes
		if err := yaml.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: read %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"much", "-1GiB", "[1]", `""`} {
		var got engine.Bytes
		if err := yaml.Unmarshal([]byte(text), &got); err == nil {
			t.Errorf("%s: read as %d", text, got)
		}
	}
	for n, want := range map[engine.Bytes]string{0: "0B", 512 << 20: "512MiB", 1 << 30: "1GiB", 1536 << 20: "1.5GiB"} {
		if got := n.String(); got != want {
			t.Errorf("%d is written %s, want %s", int64(n), got, want)
		}
	}
}

func FuzzReadCatalogue(f *testing.F) {
	own, err := os.ReadFile("catalogue.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(own)
	f.Add([]byte(small))
	f.Add([]byte("sizes: [{name: x, memory: 1e400GiB}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := engine.ReadCatalogue(bytes.NewReader(text))
		if err != nil {
			return
		}
		// What is accepted can be worked with: there is a default of everything, and no size that a server could not start in.
		if len(c.SizeNames()) == 0 || len(c.Engines) == 0 {
			t.Error("accepted a catalogue without engines or sizes")
		}
		for _, s := range c.Sizes {
			if s.CPU < 1 || s.Memory < 128<<20 || s.Disk <= 0 || s.SHM <= 0 || s.MemoryReserved > s.Memory {
				t.Errorf("accepted %+v", s)
			}
		}
	})
}

func TestErrorsSpeakToPeople(t *testing.T) {
	err := &engine.FieldError{Field: "username", Message: "The user name is missing."}
	if !regexp.MustCompile(`^username: The user name`).MatchString(err.Error()) {
		t.Errorf("reads %q", err)
	}
	refused := &engine.RefusedError{Message: "It cannot be.", Err: os.ErrNotExist}
	if !errors.Is(refused, os.ErrNotExist) || !strings.HasPrefix(refused.Error(), "It cannot be.") {
		t.Errorf("reads %q", refused)
	}
}
