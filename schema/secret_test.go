package schema_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tieout/schema"
)

const hidden = "correct-horse-battery"

// holder is the shape in which secrets travel: exported and unexported fields, nested, in maps and behind pointers.
type holder struct {
	Open    schema.Secret
	Pointer *schema.Secret
	List    []schema.Secret
	Map     map[string]schema.Secret
	closed  schema.Secret // fmt calls no method of an unexported field
	pointer *schema.Secret
	nested  struct{ deep []schema.Secret }
}

func newHolder() holder {
	secret := schema.NewSecret(hidden)
	h := holder{
		Open: secret, Pointer: &secret, List: []schema.Secret{secret}, Map: map[string]schema.Secret{"key": secret},
		closed: secret, pointer: &secret,
	}
	h.nested.deep = []schema.Secret{secret}
	return h
}

// refuseLeak looks for the text of the secret in every form in which a verb or an encoder could have written it.
func refuseLeak(t *testing.T, what, output string) {
	t.Helper()
	quoted := strings.ToLower(output)
	for form, text := range map[string]string{
		"text": hidden, "hexadecimal": hex.EncodeToString([]byte(hidden)), "spaced hexadecimal": fmt.Sprintf("% x", hidden),
		"bytes": strings.Trim(fmt.Sprintf("%d", []byte(hidden)), "[]"), "beginning": hidden[:7],
	} {
		if strings.Contains(quoted, text) {
			t.Errorf("%s shows the secret as %s: %s", what, form, output)
		}
	}
}

// Formats that are wrong for their operand, as variables because linters object to what is wrong on purpose.
var wrap, leftOver = "wrap: %w", "nothing"

// TestSecretInEveryVerb formats the secret and everything that holds one with every letter as verb, every flag,
// wrong ones included: fmt prints the operand of a wrong verb by reflection.
func TestSecretInEveryVerb(t *testing.T) {
	h := newHolder()
	operands := map[string]any{
		"secret": h.Open, "pointer": h.Pointer, "list": h.List, "map": h.Map, "holder": h, "pointer to holder": &h,
		"any": []any{h.Open, h.Pointer}, "unexported": struct{ s schema.Secret }{h.Open}, "error": errors.Join(fmt.Errorf("sign with %v: %s", h.Open, h.Pointer)),
	}
	for name, operand := range operands {
		for _, flags := range []string{"", "+", "#", " ", "-5", "0", ".3", "+#"} {
			for verb := 'A'; verb <= 'z'; verb++ {
				format := "%" + flags + string(verb)
				refuseLeak(t, name+" in "+format, fmt.Sprintf(format, operand))
			}
		}
		refuseLeak(t, name+" as error", fmt.Errorf(wrap, operand).Error())
		refuseLeak(t, name+" left over", fmt.Sprintf(leftOver, operand))
		refuseLeak(t, name+" printed", fmt.Sprint(operand)+fmt.Sprintln(operand))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		if got := fmt.Sprintf(verb, h.Open); got != "[redacted]" {
			t.Errorf("%s shows %q", verb, got)
		}
	}
}

func TestSecretInEncoders(t *testing.T) {
	h := newHolder()
	for name, operand := range map[string]any{"secret": h.Open, "pointer": h.Pointer, "list": h.List, "map": h.Map, "holder": h, "pointer to holder": &h} {
		text, err := json.Marshal(operand)
		if err != nil || !strings.Contains(string(text), "[redacted]") {
			t.Errorf("%s in JSON is %s, %v", name, text, err)
		}
		refuseLeak(t, name+" in JSON", string(text))
		var output bytes.Buffer
		for _, handler := range []slog.Handler{slog.NewTextHandler(&output, nil), slog.NewJSONHandler(&output, nil)} {
			log := slog.New(handler)
			log.Info("message", "value", operand, slog.Group("group", "value", operand))
			log.With("value", operand).Error("message", slog.Any("error", fmt.Errorf("sign with %v", operand)))
		}
		refuseLeak(t, name+" in a log", output.String())
	}
	asKey, err := json.Marshal(map[schema.Secret]int{h.Open: 1}) // encoding.TextMarshaler
	refuseLeak(t, "key of a map in JSON", string(asKey)+fmt.Sprint(err))
	if text, err := h.Open.MarshalText(); err != nil || string(text) != "[redacted]" || h.Open.String() != "[redacted]" || h.Open.GoString() != "[redacted]" {
		t.Errorf("as text: %s, %v", text, err)
	}
}

func TestSecretIsUsable(t *testing.T) {
	secret := schema.NewSecret(hidden)
	if secret.Reveal() != hidden || secret.IsZero() {
		t.Errorf("revealed as %q, zero %t", secret.Reveal(), secret.IsZero())
	}
	if secret != schema.NewSecret(hidden) || secret == schema.NewSecret("other") {
		t.Error("secrets do not compare by their text")
	}
	for name, empty := range map[string]schema.Secret{"zero value": {}, "empty text": schema.NewSecret("")} {
		if !empty.IsZero() || empty.Reveal() != "" || fmt.Sprint(empty) != "[redacted]" || empty != (schema.Secret{}) {
			t.Errorf("%s: %q", name, empty.Reveal())
		}
	}
}
