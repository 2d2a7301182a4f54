package extract

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"tieout/schema"
)

// Rereader reads stored records of one resource again, as if their answers had just come. It asks nobody and needs no
// credentials: a payload that repeats one was never stored.
type Rereader struct {
	reader *reader
	keyed  bool // records stand in a map
}

// NewRereader returns the reader of an account's resource. An error is of ClassConfiguration: the definition has no such
// list.
func NewRereader(account Account, resource schema.Resource) (*Rereader, error) {
	listing := account.Definition.Resources[resource]
	if listing == nil {
		return nil, &schema.Error{
			Class: schema.ClassConfiguration, Op: "read " + account.Stream(resource).String() + " again",
			Err: fmt.Errorf("the definition %s has no such list", account.Definition.Name),
		}
	}
	account.Credentials = nil
	return &Rereader{reader: newReader(account, resource, "", answer{}), keyed: listing.ItemsAs == ItemsMap}, nil
}

// Reread derives the columns of a stored payload. It returns a row that has passed schema.Validate, with what comes
// from the payload and the list alone, or else the reason why there is none; neither if the record is of another
// resource.
func (r *Rereader) Reread(payload []byte, listedUnder string) (row schema.Row, reason string) {
	r.reader.slice = listedUnder
	row, rejected := r.reader.read(r.item(payload))
	if rejected != nil {
		return nil, rejected.Reason
	}
	return row, ""
}

// item returns the item that was stored as the payload. A member of a map is stored with its name; a record of a map
// that was looked up by itself has none.
func (r *Rereader) item(payload []byte) item {
	if r.keyed {
		if items, err := members(payload); err == nil && len(items) == 1 && items[0].value.Kind() == '{' {
			return items[0]
		}
	}
	return item{value: jsontext.Value(payload)}
}

// Digest names what the definition says, in hexadecimal: the same for the same definition, whatever file it comes from.
func (d *Definition) Digest() string {
	text, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("extract: definition %s: %v", d.Name, err)) // texts, numbers and maps of them
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
