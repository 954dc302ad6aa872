package slackfake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// state is what stands in the inputs, by block and action: view.state.values and the state of messages,
// https://docs.slack.dev/reference/interaction-payloads/view-interactions-payload
type state map[string]map[string]object

// initial is the state of blocks that nobody has touched. What stands in inputs of the same ids is kept, as Slack keeps it when an app
// updates a view.
func initial(list []object, before state) state {
	s := state{}
	for _, b := range list {
		for _, e := range interactive(b) {
			if e["type"] == "button" || e["type"] == "overflow" {
				continue
			}
			block, action := b["block_id"].(string), e["action_id"].(string)
			if s[block] == nil {
				s[block] = map[string]object{}
			}
			s[block][action] = untouched(e)
			if kept := before[block][action]; kept != nil && kept["type"] == e["type"] {
				s[block][action] = kept
			}
		}
	}
	return s
}

func untouched(e object) object {
	value := object{"type": e["type"]}
	switch e["type"] {
	case "static_select", "radio_buttons":
		value["selected_option"] = e["initial_option"]
	case "multi_static_select", "checkboxes":
		value["selected_options"] = orEmpty(e["initial_options"])
	case "users_select":
		value["selected_user"] = e["initial_user"]
	case "multi_users_select":
		value["selected_users"] = orEmpty(e["initial_users"])
	case "conversations_select":
		value["selected_conversation"] = e["initial_conversation"]
	case "datepicker":
		value["selected_date"] = e["initial_date"]
	case "timepicker":
		value["selected_time"] = e["initial_time"]
	case "datetimepicker":
		value["selected_date_time"] = e["initial_date_time"]
	default:
		value["value"] = e["initial_value"]
	}
	return value
}

func orEmpty(v any) any {
	if v == nil {
		return []any{}
	}
	return v
}

// filledIn says whether there is anything in an input.
func filledIn(value object) bool {
	for name, v := range value {
		if name != "type" && v != nil && v != "" && !(name[len(name)-1] == 's' && len(list(v)) == 0) {
			return true
		}
	}
	return false
}

// fill puts into an input what somebody types or chooses, if the client of Slack would let them. Of several, separate with commas.
func (f *Fake) fill(e object, wanted string) (object, error) {
	value := object{"type": e["type"]}
	var err error
	switch e["type"] {
	case "static_select", "radio_buttons":
		value["selected_option"], err = optional(wanted, func() (any, error) { return pick(e, wanted) })
	case "multi_static_select", "checkboxes":
		value["selected_options"], err = several(wanted, func(one string) (any, error) { return pick(e, one) })
	case "users_select":
		value["selected_user"], err = optional(wanted, func() (any, error) { return f.pickUser(wanted) })
	case "multi_users_select":
		value["selected_users"], err = several(wanted, func(one string) (any, error) { return f.pickUser(one) })
	case "conversations_select":
		value["selected_conversation"], err = optional(wanted, func() (any, error) { return f.pickChannel(wanted) })
	case "datepicker":
		value["selected_date"], err = optional(wanted, func() (any, error) { return moment(time.DateOnly, wanted) })
	case "timepicker":
		value["selected_time"], err = optional(wanted, func() (any, error) { return moment("15:04", wanted) })
	case "datetimepicker":
		value["selected_date_time"], err = optional(wanted, func() (any, error) { return strconv.ParseInt(wanted, 10, 64) })
	default:
		value["value"], err = optional(wanted, func() (any, error) { return typedIn(e, wanted) })
	}
	if err != nil {
		return nil, fmt.Errorf("fill in %s: %w", e["action_id"], err)
	}
	return value, nil
}

func optional(wanted string, choose func() (any, error)) (any, error) {
	if wanted == "" {
		return nil, nil
	}
	return choose()
}

func several(wanted string, choose func(string) (any, error)) (any, error) {
	chosen := []any{}
	for _, one := range strings.Split(wanted, ",") {
		if one = strings.TrimSpace(one); one == "" {
			continue
		}
		v, err := choose(one)
		if err != nil {
			return nil, err
		}
		chosen = append(chosen, v)
	}
	return chosen, nil
}

func moment(layout, wanted string) (any, error) {
	_, err := time.Parse(layout, wanted)
	return wanted, err
}

func (f *Fake) pickUser(wanted string) (any, error) {
	if u := f.user(wanted); u != nil {
		return u.id, nil
	}
	return nil, fmt.Errorf("there is no user %s", wanted)
}

func (f *Fake) pickChannel(wanted string) (any, error) {
	if c := f.channel(wanted); c != nil {
		return c.id, nil
	}
	return nil, fmt.Errorf("there is no channel %s", wanted)
}

// typedIn keeps what the client keeps before anything is sent: lengths, one line, numbers.
func typedIn(e object, wanted string) (any, error) {
	n := utf8.RuneCountInString(wanted)
	most, _ := e["max_length"].(float64)
	least, _ := e["min_length"].(float64)
	if most == 0 {
		most = 3000
	}
	if n > int(most) || n < int(least) {
		return nil, fmt.Errorf("it takes %d to %d characters, not %d", int(least), int(most), n)
	}
	if e["multiline"] != true && strings.ContainsAny(wanted, "\r\n") {
		return nil, fmt.Errorf("it takes one line")
	}
	if e["type"] == "number_input" {
		if _, err := strconv.ParseFloat(wanted, 64); err != nil {
			return nil, fmt.Errorf("it takes a number")
		}
	}
	if e["type"] == "email_text_input" && !slices.Contains(strings.Split(wanted, ""), "@") {
		return nil, fmt.Errorf("it takes an address")
	}
	return wanted, nil
}
