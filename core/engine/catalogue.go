package engine

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/docker/go-units"
	"go.yaml.in/yaml/v3"
)

//go:embed catalogue.yaml
var builtIn []byte

// Catalogue is what may be asked for: versions of engines, and size classes. The first of each list is the default.
type Catalogue struct {
	Engines   []Offer    `yaml:"engines"`
	Templates []Template `yaml:"templates"`
	Sizes     []Size     `yaml:"sizes"`
}

// Offer is one engine's part of the catalogue.
type Offer struct {
	Engine   string    `yaml:"engine" json:"engine"`
	Versions []Version `yaml:"versions" json:"versions"`
	// Extensions lists what a person may ask for by name at creation.
	Extensions []string `yaml:"extensions" json:"extensions,omitempty"`
	// Settings lists what a person may set for the server at creation, in the engine's own words.
	Settings []string `yaml:"settings" json:"settings,omitempty"`
}

// Template is a ready-made choice: an engine's version with an image of its own, extensions and settings.
type Template struct {
	Name       string            `yaml:"name" json:"name"`
	Title      string            `yaml:"title" json:"title"` // for people
	Engine     string            `yaml:"engine" json:"engine"`
	Version    string            `yaml:"version" json:"version"`
	Image      string            `yaml:"image" json:"image,omitempty"`           // default: the version's
	Size       string            `yaml:"size" json:"size,omitempty"`             // default: the catalogue's first
	Extensions []string          `yaml:"extensions" json:"extensions,omitempty"` // installed at creation; they need not be on the engine's list
	Settings   map[string]string `yaml:"settings" json:"settings,omitempty"`
	Deprecated bool              `yaml:"deprecated" json:"-"`
}

// Version is one major version of an engine and the image that runs it.
type Version struct {
	Version    string `yaml:"version" json:"version"`
	Image      string `yaml:"image" json:"image"`
	DataPath   string `yaml:"data_path" json:"-"` // where the volume goes; a wrong one loses data on recreation without an error
	Deprecated bool   `yaml:"deprecated" json:"deprecated,omitempty"`
}

// Size is a size class. Memory, SHM and Disk are bytes; CPU counts cores. The reserved amounts are what the placement sets
// aside on a node, the others are limits: databases are idle most of the time, so a node may promise more than it has.
type Size struct {
	Name           string  `yaml:"name" json:"name"`
	CPU            float64 `yaml:"cpu" json:"cpu"`
	CPUReserved    float64 `yaml:"cpu_reserved" json:"-"`
	Memory         Bytes   `yaml:"memory" json:"memory"`
	MemoryReserved Bytes   `yaml:"memory_reserved" json:"-"`
	SHM            Bytes   `yaml:"shm" json:"-"`
	Disk           Bytes   `yaml:"disk" json:"disk"` // the figure at which an alarm is due; local volumes have no limit
	Connections    int     `yaml:"connections" json:"connections"`
}

// BuiltIn is the catalogue that MyDB ships.
func BuiltIn() Catalogue {
	c, err := ReadCatalogue(bytes.NewReader(builtIn))
	if err != nil {
		panic("the built-in catalogue is broken: " + err.Error()) // kept from happening by a test
	}
	return c
}

// ReadCatalogue reads a catalogue in YAML and checks it. Unknown keys are errors.
func ReadCatalogue(r io.Reader) (Catalogue, error) {
	var c Catalogue
	dec := yaml.NewDecoder(r)
	dec.KnownFields(true)
	if err := dec.Decode(&c); err != nil {
		return c, fmt.Errorf("read catalogue: %w", err)
	}
	return c, c.Check()
}

// Check reports what is wrong with a catalogue.
func (c Catalogue) Check() error {
	var errs []error
	if len(c.Engines) == 0 || len(c.Sizes) == 0 {
		errs = append(errs, errors.New("the catalogue needs at least one engine and one size"))
	}
	if name, found := twice(c.Engines, func(o Offer) string { return o.Engine }); found {
		errs = append(errs, fmt.Errorf("engine %q is there twice", name))
	}
	if name, found := twice(c.Sizes, func(s Size) string { return s.Name }); found {
		errs = append(errs, fmt.Errorf("size %q is there twice", name))
	}
	for _, o := range c.Engines {
		errs = append(errs, o.check())
	}
	if name, found := twice(c.Templates, func(t Template) string { return t.Name }); found {
		errs = append(errs, fmt.Errorf("template %q is there twice", name))
	}
	for _, t := range c.Templates {
		errs = append(errs, c.checkTemplate(t))
	}
	for _, s := range c.Sizes {
		errs = append(errs, s.check())
	}
	return errors.Join(errs...)
}

func (c Catalogue) checkTemplate(t Template) error {
	offer, _ := c.Offer(t.Engine)
	if _, known := offer.Version(t.Version); t.Name == "" || !known {
		return fmt.Errorf("template %q: needs a name, and an engine and a version of this catalogue", t.Name)
	}
	if _, known := c.Size(t.Size); t.Size != "" && !known {
		return fmt.Errorf("template %q: there is no size %q", t.Name, t.Size)
	}
	return nil
}

// Template finds a template that is offered by name.
func (c Catalogue) Template(name string) (Template, bool) {
	i := slices.IndexFunc(c.Templates, func(t Template) bool { return t.Name == name && !t.Deprecated })
	if i < 0 {
		return Template{}, false
	}
	return c.Templates[i], true
}

// TemplateNames lists the templates that are offered.
func (c Catalogue) TemplateNames() []string {
	var out []string
	for _, t := range c.Templates {
		if !t.Deprecated {
			out = append(out, t.Name)
		}
	}
	return out
}

func (o Offer) check() error {
	if len(o.Versions) == 0 {
		return fmt.Errorf("engine %q has no versions", o.Engine)
	}
	if name, found := twice(o.Versions, func(v Version) string { return v.Version }); found {
		return fmt.Errorf("engine %q, version %q is there twice", o.Engine, name)
	}
	var errs []error
	for _, v := range o.Versions {
		if v.Version == "" || v.Image == "" || !strings.HasPrefix(v.DataPath, "/") {
			errs = append(errs, fmt.Errorf("engine %q, version %q: version, image and an absolute data_path are needed", o.Engine, v.Version))
		}
	}
	return errors.Join(errs...)
}

func (s Size) check() error {
	if s.Name == "" || s.CPU < 1 || math.IsNaN(s.CPU) || s.Memory < 128<<20 || s.Connections < 5 || s.SHM <= 0 || s.Disk <= 0 {
		return fmt.Errorf("size %q: needs at least 1 cpu, 128MiB memory, 5 connections, and shm and disk", s.Name)
	}
	if !(0 <= s.CPUReserved && s.CPUReserved <= s.CPU) || s.MemoryReserved < 0 || s.MemoryReserved > s.Memory {
		return fmt.Errorf("size %q: what is reserved must lie between 0 and the limit", s.Name)
	}
	return nil
}

// twice finds the first name that stands twice.
func twice[T any](list []T, name func(T) string) (string, bool) {
	seen := map[string]bool{}
	for _, x := range list {
		if seen[name(x)] {
			return name(x), true
		}
		seen[name(x)] = true
	}
	return "", false
}

// Offer finds an engine's part of the catalogue.
func (c Catalogue) Offer(engine string) (Offer, bool) {
	i := slices.IndexFunc(c.Engines, func(o Offer) bool { return o.Engine == engine })
	if i < 0 {
		return Offer{}, false
	}
	return c.Engines[i], true
}

// Version finds a version, also a deprecated one: those still run.
func (o Offer) Version(version string) (Version, bool) {
	i := slices.IndexFunc(o.Versions, func(v Version) bool { return v.Version == version })
	if i < 0 {
		return Version{}, false
	}
	return o.Versions[i], true
}

// Offered lists the versions that a new instance may have; the first is the default.
func (o Offer) Offered() []string {
	var out []string
	for _, v := range o.Versions {
		if !v.Deprecated {
			out = append(out, v.Version)
		}
	}
	return out
}

// Size finds a size class by name.
func (c Catalogue) Size(name string) (Size, bool) {
	i := slices.IndexFunc(c.Sizes, func(s Size) bool { return s.Name == name })
	if i < 0 {
		return Size{}, false
	}
	return c.Sizes[i], true
}

// SizeNames lists the size classes in the catalogue's order.
func (c Catalogue) SizeNames() []string {
	out := make([]string, len(c.Sizes))
	for i, s := range c.Sizes {
		out[i] = s.Name
	}
	return out
}

// Images lists every image that the catalogue's offered versions need.
func (c Catalogue) Images() []string {
	var out []string
	for _, o := range c.Engines {
		for _, v := range o.Versions {
			if !v.Deprecated {
				out = append(out, v.Image)
			}
		}
	}
	for _, t := range c.Templates {
		if t.Image != "" && !t.Deprecated {
			out = append(out, t.Image)
		}
	}
	return out
}

// WithImages keeps the versions for which find knows an image on this machine, and runs them with that image. Development mode
// uses it, where no registry may answer. Versions without an image are marked deprecated: they are not offered, but still known.
func (c Catalogue) WithImages(find func(image string) (string, bool)) Catalogue {
	out := Catalogue{Sizes: c.Sizes}
	for _, t := range c.Templates {
		image, ok := find(t.Image)
		if t.Image != "" && ok {
			t.Image = image
		}
		t.Deprecated = t.Deprecated || t.Image != "" && !ok
		out.Templates = append(out.Templates, t)
	}
	for _, o := range c.Engines {
		o.Versions = slices.Clone(o.Versions)
		for i, v := range o.Versions {
			image, ok := find(v.Image)
			if ok {
				o.Versions[i].Image = image
			}
			o.Versions[i].Deprecated = v.Deprecated || !ok
		}
		out.Engines = append(out.Engines, o)
	}
	return out
}

// Bytes is a number of bytes. In YAML it is written with a binary unit, such as 512MiB.
type Bytes int64

// UnmarshalYAML reads "512MiB", "4GiB" or a plain number of bytes.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	v, err := units.RAMInBytes(n.Value)
	if err != nil {
		return fmt.Errorf("line %d: %q is not a size such as 512MiB", n.Line, n.Value)
	}
	*b = Bytes(v)
	return nil
}

// String writes the number with a binary unit, such as 512MiB.
func (b Bytes) String() string {
	return units.CustomSize("%.4g%s", float64(b), 1024, []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"})
}
