package slackfake

import (
	"context"
	"fmt"
	"maps"
	"slices"
)

// Submit fills in a modal and submits it. values are by action_id or block_id; what they leave out stays as it is.
// Where the client of Slack would not submit, because something is missing or too long, the delivery cannot be made.
func (u *User) Submit(v View, values map[string]string) *Delivery {
	f := u.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	open, err := u.top(v)
	if err != nil {
		return impossible(Interaction, "%w", err)
	}
	if open.content["submit"] == nil {
		return impossible(Interaction, "the view cannot be submitted")
	}
	if err := f.fillIn(open, values); err != nil {
		return impossible(Interaction, "%w", err)
	}
	open.errors, open.trouble = nil, ""
	payload := u.interaction("view_submission", open)
	payload["response_urls"] = []any{}
	return f.deliver(Interaction, payload, f.viewAnswered(open))
}

// Dismiss closes a modal. The app hears of it where it wanted to; otherwise the delivery is nil.
func (u *User) Dismiss(v View) *Delivery {
	f := u.fake
	f.mu.Lock()
	defer f.mu.Unlock()
	open, err := u.top(v)
	if err != nil {
		return impossible(Interaction, "%w", err)
	}
	cleared := open.content["clear_on_close"] == true
	payload := u.interaction("view_closed", open)
	delete(payload, "trigger_id")
	payload["is_cleared"] = cleared
	if cleared {
		f.closeAll(u)
	} else {
		f.close(open)
	}
	if open.content["notify_on_close"] != true {
		return nil
	}
	return f.deliver(Interaction, payload, nil)
}

// top finds the view that somebody has in hand; only the topmost can be used.
func (u *User) top(v View) (*view, error) {
	if err := u.canAct(nil); err != nil {
		return nil, err
	}
	stack := u.fake.stack(u)
	if len(stack) == 0 || stack[len(stack)-1].id != v.ID {
		return nil, fmt.Errorf("the view %q is not before %s", v.Title, u.profile.Name)
	}
	return stack[len(stack)-1], nil
}

func (f *Fake) fillIn(v *view, values map[string]string) error {
	used := map[string]bool{}
	for _, b := range v.blocks {
		for _, e := range interactive(b) {
			block, action := b["block_id"].(string), e["action_id"].(string)
			if v.state[block][action] == nil {
				continue // a button
			}
			for _, name := range []string{action, block} {
				wanted, ok := values[name]
				if !ok {
					continue
				}
				used[name] = true
				value, err := f.fill(e, wanted)
				if err != nil {
					return err
				}
				v.state[block][action] = value
				break
			}
			if b["type"] == "input" && b["optional"] != true && !filledIn(v.state[block][action]) {
				return fmt.Errorf("%s must be filled in", action)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !used[name] {
			return fmt.Errorf("the view has no input %s", name)
		}
	}
	return nil
}

// AwaitModal waits until a view with a certain title is topmost before somebody.
func (u *User) AwaitModal(ctx context.Context, title string) (View, error) {
	var found View
	err := u.fake.Await(ctx, func() bool {
		v, ok := u.Modal()
		found = v
		return ok && v.Title == title
	})
	if err != nil {
		return View{}, fmt.Errorf("no modal %q before %s: %w", title, u.profile.Name, err)
	}
	return found, nil
}

// AwaitMessage waits until somebody sees a message that fits, in a channel and its threads, and gives the newest such.
func (u *User) AwaitMessage(ctx context.Context, c *Channel, fits func(Message) bool) (Message, error) {
	var found Message
	err := u.fake.Await(ctx, func() bool {
		u.fake.mu.Lock()
		defer u.fake.mu.Unlock()
		seen := c.seenBy(u, fitting(fits))
		if len(seen) > 0 {
			found = seen[len(seen)-1]
		}
		return len(seen) > 0
	})
	if err != nil {
		return Message{}, fmt.Errorf("no such message before %s in %s: %w", u.profile.Name, c.Name(), err)
	}
	return found, nil
}

func fitting(fits func(Message) bool) func(*Message) bool {
	return func(m *Message) bool { return fits(*m) }
}
