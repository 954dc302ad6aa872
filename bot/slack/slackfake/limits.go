package slackfake

// Limits of messages and views that are no limits of one field.
const (
	maxMessageBlocks = 50         // docs.slack.dev/reference/block-kit/blocks
	maxViewBlocks    = 100        // docs.slack.dev/reference/views
	maxViewSize      = 250 * 1024 // views.open, error view_too_large
	maxViewStack     = 3          // views.push, error push_limit_reached
	maxText          = 40000      // chat.postMessage, "Truncating content"; the fake refuses what Slack would cut
	maxUpdateText    = 4000       // chat.update, error msg_too_long
	maxBlocksText    = 12000      // all text of a message's blocks: chat.postMessage, error msg_blocks_too_long; bolt-js issue 2509
	maxMetadata      = 16 * 1024  // chat.postMessage, error metadata_too_large; Slack names no figure
)

// kind is what may stand in a field.
type kind int

const (
	aString    kind = iota
	aBool           // true or false
	anInt           // a whole number
	aText           // a text object, plain or mrkdwn
	plainText       // a text object that must be plain
	aShape          // an object of one of the shapes in of, chosen by its type where they are several
	aList           // a list of such objects
	textList        // a list of text objects
	stringList      // a list of strings
	anything        // Slack has rules here that the fake does not know
)

// field is one field of a block, an element or a composition object.
type field struct {
	kind     kind
	required bool
	min, max int      // characters of a string or a text object; items of a list; a number itself. 0 is no limit
	each     int      // characters of each text of a list
	of       []string // names of shapes, or the values that a string may have
}

// shape is an object of Block Kit. Fields that it does not have are refused, as Slack refuses them.
type shape struct {
	source string // page of the documentation, below docs.slack.dev/reference/block-kit
	fields map[string]field
	check  func(o object) string // what the fields alone do not say
}

var (
	actionID    = field{max: 255}
	placeholder = field{kind: plainText, max: 150}
	confirm     = field{kind: aShape, of: []string{"confirm"}}
	focus       = field{kind: aBool}
	oneOption   = field{kind: aShape, of: []string{"option"}}
	options     = field{kind: aList, min: 1, max: 100, of: []string{"option"}}
	someOptions = field{kind: aList, min: 1, max: 100, of: []string{"option"}}
	tenOptions  = field{kind: aList, required: true, min: 1, max: 10, of: []string{"option"}}
	groups      = field{kind: aList, min: 1, max: 100, of: []string{"option_group"}}
	style       = field{of: []string{"primary", "danger"}}
)

// Elements by where they fit: those that offer a choice stand nearly everywhere, those for several choices not among actions, those
// that are typed into only in input blocks.
var (
	selects  = []string{"static_select", "users_select", "conversations_select", "radio_buttons", "checkboxes", "datepicker", "timepicker"}
	multiple = []string{"multi_static_select", "multi_users_select"}
	typed    = []string{"plain_text_input", "email_text_input", "url_text_input", "number_input", "datetimepicker"}
)

// blocks are the layout blocks that the fake knows. One that it does not know is refused: MyDB uses none.
var blocks = map[string]shape{
	"section": {source: "blocks/section-block", fields: map[string]field{
		"text": {kind: aText, min: 1, max: 3000}, "fields": {kind: textList, min: 1, max: 10, each: 2000}, "expand": {kind: aBool},
		"accessory": {kind: aShape, of: join([]string{"button", "overflow", "image"}, selects, multiple)},
	}, check: textOrFields},
	"header":  {source: "blocks/header-block", fields: map[string]field{"text": {kind: plainText, required: true, min: 1, max: 150}}},
	"divider": {source: "blocks/divider-block", fields: map[string]field{}},
	"context": {source: "blocks/context-block", fields: map[string]field{
		"elements": {kind: aList, required: true, min: 1, max: 10, of: []string{"plain_text", "mrkdwn", "image"}},
	}},
	"actions": {source: "blocks/actions-block", fields: map[string]field{
		"elements": {kind: aList, required: true, min: 1, max: 25, of: join([]string{"button", "overflow", "datetimepicker"}, selects)},
	}, check: uniqueActions},
	"image": {source: "blocks/image-block", fields: map[string]field{
		"image_url": {max: 3000}, "slack_file": {kind: aShape, of: []string{"slack_file"}}, "alt_text": {required: true, min: 1, max: 2000},
		"title": {kind: plainText, max: 2000},
	}, check: oneSource},
	"input": {source: "blocks/input-block", fields: map[string]field{
		"label": {kind: plainText, required: true, min: 1, max: 2000}, "hint": {kind: plainText, max: 2000},
		"element": {kind: aShape, required: true, of: join(typed, selects, multiple)}, "optional": {kind: aBool}, "dispatch_action": {kind: aBool},
	}},
	"markdown":  {source: "blocks/markdown-block", fields: map[string]field{"text": {required: true, min: 1, max: 12000}}},
	"rich_text": {source: "blocks/rich-text-block", fields: map[string]field{"elements": {kind: anything, required: true}}},
}

// elements are the block elements.
var elements = map[string]shape{
	"button": {source: "block-elements/button-element", fields: map[string]field{
		"text": {kind: plainText, required: true, min: 1, max: 75}, "action_id": actionID, "url": {max: 3000}, "value": {max: 2000}, "style": style,
		"confirm": confirm, "accessibility_label": {max: 75},
	}},
	"overflow": {source: "block-elements/overflow-menu-element", fields: map[string]field{
		"action_id": actionID, "options": {kind: aList, required: true, min: 1, max: 5, of: []string{"option"}}, "confirm": confirm,
	}},
	"static_select": {source: "block-elements/select-menu-element#static_select", fields: map[string]field{
		"action_id": actionID, "options": options, "option_groups": groups, "initial_option": oneOption, "placeholder": placeholder,
		"confirm": confirm, "focus_on_load": focus,
	}, check: optionsOrGroups},
	"multi_static_select": {source: "block-elements/multi-select-menu-element#static_multi_select", fields: map[string]field{
		"action_id": actionID, "options": options, "option_groups": groups, "initial_options": someOptions, "placeholder": placeholder,
		"max_selected_items": {kind: anInt, min: 1}, "confirm": confirm, "focus_on_load": focus,
	}, check: optionsOrGroups},
	"users_select": {source: "block-elements/select-menu-element#users_select", fields: map[string]field{
		"action_id": actionID, "initial_user": {}, "placeholder": placeholder, "confirm": confirm, "focus_on_load": focus,
	}},
	"multi_users_select": {source: "block-elements/multi-select-menu-element#users_multi_select", fields: map[string]field{
		"action_id": actionID, "initial_users": {kind: stringList}, "placeholder": placeholder, "max_selected_items": {kind: anInt, min: 1},
		"confirm": confirm, "focus_on_load": focus,
	}},
	"conversations_select": {source: "block-elements/select-menu-element#conversations_select", fields: map[string]field{
		"action_id": actionID, "initial_conversation": {}, "default_to_current_conversation": {kind: aBool}, "placeholder": placeholder,
		"response_url_enabled": {kind: aBool}, "filter": {kind: anything}, "confirm": confirm, "focus_on_load": focus,
	}},
	"radio_buttons": {source: "block-elements/radio-button-group-element", fields: map[string]field{
		"action_id": actionID, "options": tenOptions, "initial_option": oneOption, "confirm": confirm, "focus_on_load": focus,
	}},
	"checkboxes": {source: "block-elements/checkboxes-element", fields: map[string]field{
		"action_id": actionID, "options": tenOptions, "initial_options": someOptions, "confirm": confirm, "focus_on_load": focus,
	}},
	"datepicker": {source: "block-elements/date-picker-element", fields: map[string]field{
		"action_id": actionID, "initial_date": {min: 10, max: 10}, "placeholder": placeholder, "confirm": confirm, "focus_on_load": focus,
	}},
	"timepicker": {source: "block-elements/time-picker-element", fields: map[string]field{
		"action_id": actionID, "initial_time": {min: 5, max: 5}, "timezone": {}, "placeholder": placeholder, "confirm": confirm, "focus_on_load": focus,
	}},
	"datetimepicker": {source: "block-elements/datetime-picker-element", fields: map[string]field{
		"action_id": actionID, "initial_date_time": {kind: anInt}, "confirm": confirm, "focus_on_load": focus,
	}},
	"plain_text_input": {source: "block-elements/plain-text-input-element", fields: map[string]field{
		"action_id": actionID, "initial_value": {max: 3000}, "multiline": {kind: aBool}, "min_length": {kind: anInt, max: 3000},
		"max_length": {kind: anInt, min: 1, max: 3000}, "dispatch_action_config": {kind: anything}, "placeholder": placeholder, "focus_on_load": focus,
	}},
	"email_text_input": {source: "block-elements/email-input-element", fields: textInput("initial_value")},
	"url_text_input":   {source: "block-elements/url-input-element", fields: textInput("initial_value")},
	"number_input": {source: "block-elements/number-input-element", fields: merged(textInput("initial_value"), map[string]field{
		"is_decimal_allowed": {kind: aBool, required: true}, "min_value": {}, "max_value": {},
	})},
	"image": {source: "block-elements/image-element", fields: map[string]field{
		"image_url": {max: 3000}, "slack_file": {kind: aShape, of: []string{"slack_file"}}, "alt_text": {required: true, min: 1, max: 2000},
	}, check: oneSource},
	"plain_text": {source: "composition-objects/text-object", fields: map[string]field{"text": {required: true, min: 1, max: 3000}, "emoji": {kind: aBool}}},
	"mrkdwn":     {source: "composition-objects/text-object", fields: map[string]field{"text": {required: true, min: 1, max: 3000}, "verbatim": {kind: aBool}}},
}

// objects are the composition objects that have no type.
var objects = map[string]shape{
	"option": {source: "composition-objects/option-object", fields: map[string]field{
		"text": {kind: aText, required: true, min: 1, max: 75}, "value": {required: true, min: 1, max: 150}, "description": {kind: aText, max: 75},
		"url": {max: 3000},
	}},
	"option_group": {source: "composition-objects/option-group-object", fields: map[string]field{
		"label": {kind: plainText, required: true, min: 1, max: 75}, "options": {kind: aList, required: true, min: 1, max: 100, of: []string{"option"}},
	}},
	"confirm": {source: "composition-objects/confirmation-dialog-object", fields: map[string]field{
		"title": {kind: plainText, required: true, min: 1, max: 100}, "text": {kind: aText, required: true, min: 1, max: 300},
		"confirm": {kind: plainText, required: true, min: 1, max: 30}, "deny": {kind: plainText, required: true, min: 1, max: 30}, "style": style,
	}},
	"slack_file": {source: "composition-objects/slack-file-object", fields: map[string]field{"id": {}, "url": {max: 3000}}},
}

// modal is a view: https://docs.slack.dev/reference/views/modal-views
var modal = shape{source: "../views/modal-views", fields: map[string]field{
	"type": {required: true, of: []string{"modal"}}, "title": {kind: plainText, required: true, min: 1, max: 24},
	"submit": {kind: plainText, max: 24}, "close": {kind: plainText, max: 24}, "private_metadata": {max: 3000}, "callback_id": {max: 255},
	"external_id": {max: 255}, "clear_on_close": {kind: aBool}, "notify_on_close": {kind: aBool}, "submit_disabled": {kind: aBool},
	"blocks": {kind: anything, required: true},
}, check: submitForInputs}

func textInput(initial string) map[string]field {
	return map[string]field{"action_id": actionID, initial: {}, "dispatch_action_config": {kind: anything}, "placeholder": placeholder, "focus_on_load": focus}
}

func merged(a, b map[string]field) map[string]field {
	for name, f := range b {
		a[name] = f
	}
	return a
}

func join(lists ...[]string) (all []string) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func textOrFields(o object) string {
	if o["text"] == nil && o["fields"] == nil {
		return "missing required field: text or fields"
	}
	return ""
}

func oneSource(o object) string {
	if (o["image_url"] == nil) == (o["slack_file"] == nil) {
		return "exactly one of image_url and slack_file is required"
	}
	return ""
}

func optionsOrGroups(o object) string {
	if (o["options"] == nil) == (o["option_groups"] == nil) {
		return "exactly one of options and option_groups is required"
	}
	return ""
}

func uniqueActions(o object) string {
	seen := map[string]bool{}
	for _, e := range list(o["elements"]) {
		id, _ := asObject(e)["action_id"].(string)
		if id != "" && seen[id] {
			return "action_id `" + id + "` already exists in this block"
		}
		seen[id] = true
	}
	return ""
}

func submitForInputs(o object) string {
	for _, b := range list(o["blocks"]) {
		if asObject(b)["type"] == "input" && o["submit"] == nil {
			return "missing required field: submit, because the view has an input block"
		}
	}
	return ""
}
