package slackfake

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// flaws are what is wrong with blocks or a view, each with the pointer that Slack would give.
type flaws []string

func (p *flaws) add(pointer, format string, args ...any) {
	*p = append(*p, "[ERROR] "+fmt.Sprintf(format, args...)+" [json-pointer:"+pointer+"]")
}

// checkBlocks reads and checks the blocks of a message or a view.
func checkBlocks(raw []byte, pointer string, most int) ([]object, flaws) {
	var found flaws
	var list []object
	if err := json.Unmarshal(raw, &list); err != nil {
		found.add(pointer, "must be a list of objects")
		return nil, found
	}
	if len(list) > most {
		found.add(pointer, "no more than %d items allowed", most)
	}
	ids := map[string]bool{}
	for i, b := range list {
		at := fmt.Sprintf("%s/%d", pointer, i)
		found.typed(at, b, blocks, nil)
		id, _ := b["block_id"].(string)
		if id != "" && ids[id] {
			found.add(at+"/block_id", "block_id `%s` already exists", id)
		}
		ids[id] = true
	}
	return list, found
}

// checkModal reads and checks a view.
func checkModal(raw []byte) (object, flaws) {
	var found flaws
	var v object
	if err := json.Unmarshal(raw, &v); err != nil {
		found.add("/view", "must be an object")
		return nil, found
	}
	found.fields("/view", v, modal)
	content, err := json.Marshal(v["blocks"])
	if err == nil && v["blocks"] != nil {
		_, more := checkBlocks(content, "/view/blocks", maxViewBlocks)
		found = append(found, more...)
	}
	return v, found
}

// typed checks an object that says its type itself. allowed may be nil for all of the known.
func (p *flaws) typed(at string, o object, known map[string]shape, allowed []string) {
	name, _ := o["type"].(string)
	s, ok := known[name]
	if !ok || allowed != nil && !slices.Contains(allowed, name) {
		p.add(at+"/type", "unsupported type: %s", name)
		return
	}
	p.fields(at, o, s)
}

// fields checks an object against its shape.
func (p *flaws) fields(at string, o object, s shape) {
	for _, name := range slices.Sorted(maps.Keys(o)) {
		f, ok := s.fields[name]
		switch {
		case ok:
			p.value(at+"/"+name, o[name], f)
		case name == "block_id":
			p.value(at+"/"+name, o[name], field{max: 255})
		case name != "type":
			p.add(at, "invalid additional property: %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.fields)) {
		if _, ok := o[name]; s.fields[name].required && !ok {
			p.add(at, "missing required field: %s", name)
		}
	}
	if s.check != nil {
		if flaw := s.check(o); flaw != "" {
			p.add(at, "%s", flaw)
		}
	}
}

func (p *flaws) value(at string, v any, f field) {
	switch f.kind {
	case aString:
		p.str(at, v, f)
	case aBool:
		if _, ok := v.(bool); !ok {
			p.add(at, "must be true or false")
		}
	case anInt:
		n, ok := v.(float64)
		if !ok || n != float64(int64(n)) || n < float64(f.min) || f.max > 0 && n > float64(f.max) {
			p.add(at, "must be a whole number from %d to %d", f.min, f.max)
		}
	case aText, plainText:
		p.text(at, v, f)
	case aShape:
		p.shaped(at, v, f.of)
	case aList, textList, stringList:
		p.list(at, v, f)
	}
}

func (p *flaws) str(at string, v any, f field) {
	s, ok := v.(string)
	if !ok {
		p.add(at, "must be a string")
		return
	}
	if f.of != nil && !slices.Contains(f.of, s) {
		p.add(at, "must be one of %s", strings.Join(f.of, ", "))
	}
	p.length(at, utf8.RuneCountInString(s), f)
}

func (p *flaws) length(at string, n int, f field) {
	if f.max > 0 && n > f.max {
		p.add(at, "must be less than %d characters", f.max+1)
	}
	if n < f.min {
		p.add(at, "must be more than %d characters", f.min-1)
	}
}

func (p *flaws) text(at string, v any, f field) {
	o, ok := v.(object)
	if !ok {
		p.add(at, "must be a text object")
		return
	}
	if f.kind == plainText && o["type"] != "plain_text" {
		p.add(at+"/type", "must be plain_text")
		return
	}
	p.typed(at, o, elements, []string{"plain_text", "mrkdwn"})
	if s, ok := o["text"].(string); ok && f.max != 3000 { // text objects have that limit of their own
		p.length(at+"/text", utf8.RuneCountInString(s), field{max: f.max})
	}
}

func (p *flaws) shaped(at string, v any, of []string) {
	o, ok := v.(object)
	if !ok {
		p.add(at, "must be an object")
		return
	}
	if s, ok := objects[of[0]]; ok {
		p.fields(at, o, s)
		return
	}
	p.typed(at, o, elements, of)
}

func (p *flaws) list(at string, v any, f field) {
	items, ok := v.([]any)
	if !ok {
		p.add(at, "must be a list")
		return
	}
	if f.max > 0 && len(items) > f.max {
		p.add(at, "no more than %d items allowed", f.max)
	}
	if len(items) < f.min {
		p.add(at, "no less than %d items allowed", f.min)
	}
	for i, item := range items {
		to := fmt.Sprintf("%s/%d", at, i)
		switch f.kind {
		case textList:
			p.text(to, item, field{kind: aText, max: f.each})
		case stringList:
			p.str(to, item, field{})
		default:
			p.shaped(to, item, f.of)
		}
	}
}

// list and asObject read JSON that may be something else.
func list(v any) []any {
	l, _ := v.([]any)
	return l
}

func asObject(v any) object {
	o, _ := v.(object)
	return o
}
