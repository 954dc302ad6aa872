package discordfake

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// apiError is how Discord refuses a call.
type apiError struct {
	status     int
	retryAfter time.Duration // of a 429
	global     bool          // whether the 429 is for everything the bot does

	Code    int            `json:"code"`
	Message string         `json:"message"`
	Errors  map[string]any `json:"errors,omitempty"`
}

// What Discord says, with its own codes: https://discord.com/developers/docs/topics/opcodes-and-status-codes#json.
var (
	errNotFound           = &apiError{status: http.StatusNotFound, Code: 0, Message: "404: Not Found"}
	errUnauthorized       = &apiError{status: http.StatusUnauthorized, Code: 0, Message: "401: Unauthorized"}
	errUnknownApplication = &apiError{status: http.StatusNotFound, Code: 10002, Message: "Unknown Application"}
	errUnknownChannel     = &apiError{status: http.StatusNotFound, Code: 10003, Message: "Unknown Channel"}
	errUnknownGuild       = &apiError{status: http.StatusNotFound, Code: 10004, Message: "Unknown Guild"}
	errUnknownMember      = &apiError{status: http.StatusNotFound, Code: 10007, Message: "Unknown Member"}
	errUnknownMessage     = &apiError{status: http.StatusNotFound, Code: 10008, Message: "Unknown Message"}
	errUnknownUser        = &apiError{status: http.StatusNotFound, Code: 10013, Message: "Unknown User"}
	errUnknownWebhook     = &apiError{status: http.StatusNotFound, Code: 10015, Message: "Unknown Webhook"}
	errUnknownInteraction = &apiError{status: http.StatusNotFound, Code: 10062, Message: "Unknown interaction"}
	errTooManyCommands    = &apiError{status: http.StatusBadRequest, Code: 30032, Message: "Maximum number of application commands reached (100)."}
	errCommandsToday      = &apiError{status: http.StatusBadRequest, Code: 30034, Message: "Max number of daily application command creates has been reached (200)"}
	errEntityTooLarge     = &apiError{status: http.StatusRequestEntityTooLarge, Code: 40005, Message: "Request entity too large"}
	errAcknowledged       = &apiError{status: http.StatusBadRequest, Code: 40060, Message: "Interaction has already been acknowledged."}
	errMissingAccess      = &apiError{status: http.StatusForbidden, Code: 50001, Message: "Missing Access"}
	errNotYours           = &apiError{status: http.StatusForbidden, Code: 50005, Message: "Cannot edit a message authored by another user"}
	errEmptyMessage       = &apiError{status: http.StatusBadRequest, Code: 50006, Message: "Cannot send an empty message"}
	errNoDMs              = &apiError{status: http.StatusForbidden, Code: 50007, Message: "Cannot send messages to this user"}
	errMissingPermissions = &apiError{status: http.StatusForbidden, Code: 50013, Message: "Missing Permissions"}
	errWebhookToken       = &apiError{status: http.StatusUnauthorized, Code: 50027, Message: "Invalid Webhook Token"}
	errRecipient          = &apiError{status: http.StatusBadRequest, Code: 50033, Message: "Invalid Recipient(s)"}
	errInvalidJSON        = &apiError{status: http.StatusBadRequest, Code: 50109, Message: "The request body contains invalid JSON."}
)

func (e *apiError) Error() string { return fmt.Sprintf("%d, code %d: %s", e.status, e.Code, e.Message) }

// problems collects what is wrong with a body, as the tree that comes with code 50035.
type problems struct {
	tree map[string]any
}

// add says what is wrong at a path such as "embeds.0.title".
func (p *problems) add(path, code, message string) {
	if p.tree == nil {
		p.tree = map[string]any{}
	}
	at := p.tree
	for _, step := range strings.Split(path, ".") {
		next, ok := at[step].(map[string]any)
		if !ok {
			next = map[string]any{}
			at[step] = next
		}
		at = next
	}
	said, _ := at["_errors"].([]any)
	at["_errors"] = append(said, map[string]any{"code": code, "message": message})
}

func (p *problems) err() *apiError {
	if p.tree == nil {
		return nil
	}
	return &apiError{status: http.StatusBadRequest, Code: 50035, Message: "Invalid Form Body", Errors: p.tree}
}

// required says that something is missing at path.
func (p *problems) required(path string) {
	p.add(path, "BASE_TYPE_REQUIRED", "This field is required")
}

// atMost refuses a text of more than limit characters.
func (p *problems) atMost(path, text string, limit int) {
	if n := len([]rune(text)); n > limit {
		p.add(path, "BASE_TYPE_MAX_LENGTH", fmt.Sprintf("Must be %d or fewer in length.", limit))
	}
}

// between refuses a text, or a list, that is shorter or longer.
func (p *problems) between(path string, length, least, most int) {
	if length < least || length > most {
		p.add(path, "BASE_TYPE_BAD_LENGTH", fmt.Sprintf("Must be between %d and %d in length.", least, most))
	}
}

// text refuses one that is missing, or longer than limit characters.
func (p *problems) text(path, text string, limit int) {
	if text == "" {
		p.required(path)
		return
	}
	p.between(path, len([]rune(text)), 1, limit)
}
