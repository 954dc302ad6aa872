package slackfake

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// numbered gives every block and every interactive element that has no id one, as Slack does.
func numbered(list []object, next func() string) []object {
	for _, b := range list {
		if b["block_id"] == nil || b["block_id"] == "" {
			b["block_id"] = next()
		}
		for _, e := range interactive(b) {
			if e["action_id"] == nil || e["action_id"] == "" {
				e["action_id"] = next()
			}
		}
	}
	return list
}

// interactive are the elements of a block that somebody can click or fill in.
func interactive(block object) (found []object) {
	candidates := append(slices.Clone(list(block["elements"])), block["accessory"], block["element"])
	for _, c := range candidates {
		e := asObject(c)
		kind, _ := e["type"].(string)
		s, known := elements[kind]
		if _, can := s.fields["action_id"]; known && can {
			found = append(found, e)
		}
	}
	return found
}

// find looks for an element by its action_id, in one block if one is named.
func find(list []object, blockID, actionID string) (block, element object, ok bool) {
	for _, b := range list {
		if blockID != "" && b["block_id"] != blockID {
			continue
		}
		for _, e := range interactive(b) {
			if e["action_id"] == actionID {
				return b, e, true
			}
		}
	}
	return nil, nil, false
}

// shown are all texts that stand in blocks, in their order.
func shown(v any) (texts []string) {
	switch v := v.(type) {
	case []object:
		for _, o := range v {
			texts = append(texts, shown(o)...)
		}
	case []any:
		for _, item := range v {
			texts = append(texts, shown(item)...)
		}
	case object:
		for _, key := range []string{"title", "label", "text", "hint", "fields", "alt_text", "element", "elements", "accessory", "options", "placeholder", "initial_value"} {
			if s, ok := v[key].(string); ok {
				texts = append(texts, s)
				continue
			}
			texts = append(texts, shown(v[key])...)
		}
	}
	return texts
}

func countText(list []object) (n int) {
	for _, s := range shown(list) {
		n += utf8.RuneCountInString(s)
	}
	return n
}

// decoded reads blocks that were checked when they came in.
func decoded(raw json.RawMessage) []object {
	var list []object
	if len(raw) > 0 {
		_ = json.Unmarshal(raw, &list)
	}
	return list
}

// encoded writes what was made of JSON values alone.
func encoded(v any) json.RawMessage {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("slackfake: encode %T: %v", v, err))
	}
	return raw
}

// choices are the options of an element, of all its groups.
func choices(element object) (all []object) {
	for _, o := range list(element["options"]) {
		all = append(all, asObject(o))
	}
	for _, g := range list(element["option_groups"]) {
		all = append(all, choices(asObject(g))...)
	}
	return all
}

// pick finds an option by its value or by what it reads.
func pick(element object, wanted string) (object, error) {
	for _, o := range choices(element) {
		if o["value"] == wanted || asObject(o["text"])["text"] == wanted {
			return o, nil
		}
	}
	return nil, fmt.Errorf("%s offers no %q: %s", element["action_id"], wanted, strings.Join(shown(asAny(choices(element))), ", "))
}

func asAny(list []object) (all []any) {
	for _, o := range list {
		all = append(all, o)
	}
	return all
}
