package discordfake

import (
	"errors"
	"fmt"
)

// Modal is a form that is open in front of a user.
type Modal struct {
	CustomID string
	Title    string
	Inputs   []Component

	from *Interaction
}

// Modal is the form that is open in front of the user; nil if none is.
func (u *User) Modal() *Modal {
	defer u.fake.hold()()
	return u.modal
}

// Dismiss closes the form that is open. The bot hears nothing of it.
func (u *User) Dismiss() { u.fake.lock(func() { u.modal = nil }) }

// Submit sends a form, by the custom ids of its inputs. Inputs that are not named keep what the form was opened with.
func (u *User) Submit(m *Modal, values map[string]string) *Interaction {
	if m == nil {
		return &Interaction{Type: ModalKind, User: u, fake: u.fake, err: errors.New("no form is open")}
	}
	return u.start(ModalKind, m.from.Channel, m.from.message, func() (map[string]any, error) {
		if u.modal != m {
			return nil, errors.New("the form is not open any more")
		}
		data, err := m.fill(values)
		if err != nil {
			return nil, err
		}
		u.modal = nil
		return data, nil
	})
}

func (m *Modal) fill(values map[string]string) (map[string]any, error) {
	known := map[string]bool{}
	rows := []any{}
	for n, input := range m.Inputs {
		known[input.CustomID] = true
		value, ok := values[input.CustomID]
		if !ok {
			value = input.Value
		}
		if err := input.takes(value); err != nil {
			return nil, err
		}
		cell := map[string]any{"type": InputComponent, "id": 2*n + 2, "custom_id": input.CustomID, "value": value}
		rows = append(rows, map[string]any{"type": rowComponent, "id": 2*n + 1, "components": []any{cell}})
	}
	for name := range values {
		if !known[name] {
			return nil, fmt.Errorf("the form has no %q", name)
		}
	}
	return map[string]any{"custom_id": m.CustomID, "components": rows}, nil
}

// takes says why an input does not take a value.
func (c Component) takes(value string) error {
	length, most := len([]rune(value)), inputLimit
	if c.MaxLength > 0 {
		most = c.MaxLength
	}
	required := c.Required == nil || *c.Required
	switch {
	case value == "" && required:
		return fmt.Errorf("%q must be filled in", c.Label)
	case value != "" && length < c.MinLength:
		return fmt.Errorf("%q needs %d characters", c.Label, c.MinLength)
	case length > most:
		return fmt.Errorf("%q takes %d characters, and these are %d", c.Label, most, length)
	}
	return nil
}
