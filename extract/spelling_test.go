package extract_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf16"

	"tieout/extract"
	"tieout/schema"
)

// The secrets have what each way of escaping writes differently; one is the beginning of the other.
const (
	spelledKey    = `canary/7f3a+"Ж😀`
	spelledSecret = spelledKey + `\9b1c==`
)

// units writes a text in \u sequences, those letters that are taken.
func units(text, format string, taken func(rune) bool) string {
	var spelled strings.Builder
	for _, letter := range text {
		if !taken(letter) {
			quoted, _ := json.Marshal(string(letter))
			spelled.WriteString(strings.Trim(string(quoted), `"`))
			if letter == '"' {
				spelled.WriteString(`"`)
			}
			continue
		}
		for _, unit := range utf16.Encode([]rune{letter}) {
			fmt.Fprintf(&spelled, format, unit)
		}
	}
	return spelled.String()
}

// jsonSpellings are ways to write a text between the quotes of a JSON string.
func jsonSpellings(t testing.TB, text string) map[string]string {
	t.Helper()
	all := func(rune) bool { return true }
	spellings := map[string]string{
		"plainly":            units(text, "", func(rune) bool { return false }),
		"as PHP does":        strings.ReplaceAll(units(text, `\u%04x`, func(r rune) bool { return r > '~' }), "/", `\/`),
		"in units":           units(text, `\u%04x`, all),
		"in capital units":   units(text, `\u%04X`, all),
		"in part":            units(text, `\u%04x`, func(r rune) bool { return strings.ContainsRune(`c+/"\`, r) }),
		"quoted once more":   "",
		"quoted in quoted":   "",
		"PHP's, once more":   "",
		"units, once more":   "",
		"with text around":   `\"x\\` + units(text, `\u%04X`, func(r rune) bool { return r == '+' }) + `\\\" y`,
		"beside a surrogate": `\ud83d` + units(text, `\u%04x`, all) + `\ud83d`,
	}
	again := func(spelled string) string { return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(spelled) }
	spellings["quoted once more"] = again(spellings["plainly"])
	spellings["quoted in quoted"] = again(again(spellings["plainly"]))
	spellings["PHP's, once more"] = again(spellings["as PHP does"])
	spellings["units, once more"] = again(spellings["in units"])
	for name, spelled := range spellings {
		var decoded string
		if err := json.Unmarshal([]byte(`"`+spelled+`"`), &decoded); err != nil {
			t.Fatalf("%s: %s is no JSON: %v", name, spelled, err)
		}
		if !strings.Contains(decoded, text) && !strings.Contains(name, "once more") && !strings.Contains(name, "quoted in") {
			t.Fatalf("%s: %s means %s, not %s", name, spelled, decoded, text)
		}
	}
	return spellings
}

var unitPattern = regexp.MustCompile(`\\+u([0-9a-fA-F]{4})`)

// noSpelledCanary looks for pieces of the secrets that no way of escaping but units changes, after undoing those.
func noSpelledCanary(t *testing.T, text string) {
	t.Helper()
	undone := unitPattern.ReplaceAllStringFunc(text, func(unit string) string {
		code, _ := strconv.ParseUint(unit[len(unit)-4:], 16, 32)
		return string(rune(code))
	})
	for _, piece := range []string{"canary", "7f3a", "9b1c"} {
		if strings.Contains(text, piece) || strings.Contains(undone, piece) {
			t.Errorf("%q stands in: %s", piece, text)
		}
	}
}

func spelledAccount(a *extract.Account) {
	a.Credentials = map[string]schema.Secret{"api_key": schema.NewSecret(spelledKey), "api_secret": schema.NewSecret(spelledSecret)}
}

// TestSpelledSecretsInRecords finds our credentials in a record however JSON spells them, in values and in names: the
// record goes to quarantine without them, as valid JSON that holds all else.
func TestSpelledSecretsInRecords(t *testing.T) {
	definition := dialect(t, one, "credentials: [api_key, api_secret]")
	for _, secret := range []string{spelledKey, spelledSecret} {
		for name, spelled := range jsonSpellings(t, secret) {
			for _, record := range []string{
				`{"id":"d-1","currency":"EUR","amount":"1.50" , "note":"%s"}`,
				`{"id":"d-1","currency":"EUR","amount":"1.50","more":[{"a":[0,"%s"]},"%s%s"],"w":"\ufffd\/"}`,
				`{"id":"d-1","currency":"EUR","amount":"1.50","more":{"%s":{"x":1}}}`,
				`{"id":"d-1","currency":"EUR","amount":"1.50","note":"` + "\xff%s\xfe" + `"}`,
			} {
				record = strings.ReplaceAll(record, "%s", spelled)
				page, err := dialectClient(t, definition, answering(200, `{"d":[`+record+`,{"id":"d\/2","currency":"EUR","amount":"2"}]}`), spelledAccount).Fetch(t.Context(), schema.Deposits, "")
				if err != nil || len(page.Rejected) != 1 || len(page.Rows) != 1 || page.Rows[0].Base().ID != "d/2" {
					t.Fatalf("%s: %d rows, %d rejected, %v, want one of each", name, len(page.Rows), len(page.Rejected), err)
				}
				kept, reason := string(page.Rejected[0].Payload), page.Rejected[0].Reason
				noSpelledCanary(t, kept+reason)
				var members map[string]any
				if err := json.Unmarshal([]byte(kept), &members); err != nil || members["id"] != "d-1" || members["amount"] != "1.50" {
					t.Errorf("%s: kept %s (%v), want valid JSON with the rest of the record", name, kept, err)
				}
				if want := "the record repeats a credential of ours, which was taken out of it"; reason != want || !strings.Contains(kept, "[redacted]") {
					t.Errorf("%s: %s: %s, want %s", name, kept, reason, want)
				}
			}
		}
	}
}

// TestSecretAsNumber takes a credential of digits out of a number, which becomes a text, in records and in the answer to
// a look-up. One that is so short that it stands in anything is not looked for in records.
func TestSecretAsNumber(t *testing.T) {
	const with, without = `{"id":"d-1","n":-51234567890.5,"m":7}`, `{"id":"d-1","n":"-5[redacted].5","m":7}`
	digits := func(a *extract.Account) { a.Credentials["api_key"] = schema.NewSecret("1234567890") }
	page, err := dialectClient(t, dialect(t, one, "credentials: [api_key, api_secret]"), answering(200, `{"d":[`+with+`]}`), digits).Fetch(t.Context(), schema.Deposits, "")
	if err != nil || len(page.Rejected) != 1 || string(page.Rejected[0].Payload) != without {
		t.Errorf("%+v, %v, want %s", page.Rejected, err, without)
	}
	_, rejected, err := dialectClient(t, dialect(t, lookupList, "credentials: [api_key, api_secret]"), answering(400, with), digits).Lookup(t.Context(), schema.Deposits, "d-1")
	if err != nil || rejected == nil || string(rejected.Payload) != without {
		t.Errorf("%+v, %v, want %s", rejected, err, without)
	}
	short := func(a *extract.Account) { a.Credentials["api_key"] = schema.NewSecret("1234567") }
	page, err = dialectClient(t, dialect(t, one, "credentials: [api_key, api_secret]"), answering(200, `{"d":[{"id":"1234567","amount":"1"}]}`), short).Fetch(t.Context(), schema.Deposits, "")
	if err != nil || len(page.Rows) != 1 {
		t.Errorf("%+v, %v, want the record", page, err)
	}
}

// TestSpelledSecretsInAnswers takes them out of the answer to a look-up, whether it is JSON or not, and out of errors and
// the log.
func TestSpelledSecretsInAnswers(t *testing.T) {
	definition := dialect(t, lookupList, "credentials: [api_key, api_secret]", "answers: {word: code, message: text, success: [{path: code, absent: true}]}")
	for _, secret := range []string{spelledKey, spelledSecret} {
		spellings := jsonSpellings(t, secret)
		for _, name := range slices.Sorted(maps.Keys(spellings)) {
			for body, valid := range map[string]bool{
				`{"code":"%s","text":"no %s","%s":["%s"]}`: true,
				` {"text":"%s"} `:                          true,
				`{"text":"%s","x":"`:                       false,
				`<p>no such "%s"</p>`:                      false,
				`{"text":"%s"} and then`:                   false,
			} {
				synctest.Test(t, func(t *testing.T) {
					transport := roundTrip(func(r *http.Request) (*http.Response, error) {
						response, err := answering(422, strings.ReplaceAll(body, "%s", spellings[name]))(r)
						response.Header.Set("Content-Type", "text/plain")
						return response, err
					})
					_, rejected, err := dialectClient(t, definition, transport, spelledAccount).Lookup(t.Context(), schema.Deposits, "d-1")
					if err != nil || rejected == nil {
						t.Fatalf("%s: %+v, %v, want a record in quarantine", name, rejected, err)
					}
					noSpelledCanary(t, string(rejected.Payload)+rejected.Reason)
					if json.Valid(rejected.Payload) != valid || !strings.Contains(string(rejected.Payload), "[redacted]") {
						t.Errorf("%s: kept %s, want valid %v", name, rejected.Payload, valid)
					}
					log := &logText{}
					account := plainAccount(definition)
					spelledAccount(&account)
					_, err = newClient(t, account, transport, log).Fetch(t.Context(), schema.Deposits, "")
					noSpelledCanary(t, fmt.Sprint(err, log))
				})
			}
		}
	}
}

// TestOtherSpellingsInTexts knows how pages of HTML, forms and addresses write a credential.
func TestOtherSpellingsInTexts(t *testing.T) {
	definition := dialect(t, lookupList, "credentials: [api_key, api_secret]")
	for _, spelled := range []string{"canary/a&amp;b+c=", "canary%2Fa%26b%2Bc%3D", "canary%2fa%26b%2bc%3d", "canary%2Fa&b+c="} {
		client := dialectClient(t, definition, answering(422, "<p>"+spelled+"</p>"), func(a *extract.Account) {
			a.Credentials["api_key"] = schema.NewSecret("canary/a&b+c=")
		})
		_, rejected, err := client.Lookup(t.Context(), schema.Deposits, "1")
		if err != nil || string(rejected.Payload) != "<p>[redacted]</p>" {
			t.Errorf("%s: %+v, %v", spelled, rejected, err)
		}
	}
}
