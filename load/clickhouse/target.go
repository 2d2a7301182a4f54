package clickhouse

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/schema"
)

// DefaultDatabase is the database of a DSN that names none.
const DefaultDatabase = "tieout"

// Target says which ClickHouse to connect to, and in which of its databases our tables are. Every way of printing
// it leaves the password out.
type Target struct {
	Database string // ours; it need not exist yet. A plain identifier: it may stand in SQL as it is

	Path string // folder of the embedded engine; empty for a server, then the rest is set

	Protocol   clickhouse.Protocol // of the server: Native or HTTP
	Addresses  []string            // host:port of each node, tried in this order
	Username   string              // empty is the server's user "default"
	Password   schema.Secret       // of Username; may be empty
	Secure     bool                // TLS
	SkipVerify bool                // TLS without a check of the server's certificate
	ServerName string              // name in the server's certificate where it is not the host's; empty is the host's
}

// Embedded reports whether the target is the engine inside the process.
func (t Target) Embedded() bool { return t.Path != "" }

// String describes the target to people: "native 127.0.0.1:9000, database tieout".
func (t Target) String() string { return t.place() + ", database " + t.Database }

// place is where the target is, for sentences.
func (t Target) place() string {
	if t.Embedded() {
		return "embedded " + t.Path
	}
	kind := t.Protocol.String()
	if t.Secure {
		kind = map[clickhouse.Protocol]string{clickhouse.Native: "native TLS", clickhouse.HTTP: "https"}[t.Protocol]
	}
	return kind + " " + strings.Join(t.Addresses, ",")
}

// scheme is what the first word of a DSN stands for.
type scheme struct {
	protocol   clickhouse.Protocol
	secure     bool   // always TLS
	port       string // without TLS, or always where secure
	securePort string // with the parameter secure=true; empty: the parameter does not belong here
}

var schemes = map[string]scheme{
	"clickhouse": {clickhouse.Native, false, "9000", "9440"},
	"http":       {clickhouse.HTTP, false, "8123", ""},
	"https":      {clickhouse.HTTP, true, "8443", ""},
}

const wanted = "want clickhouse://user:password@host:9000/database?secure=true, http(s)://user:password@host:8123/database or embedded:PATH"

// ParseDSN reads a connection string: clickhouse:// for the native protocol, http:// or https://, each with
// user, password, one or more hosts separated by commas, and a database; or embedded: with a folder. Ports and
// database have defaults. The parameters are secure, skip_verify and tls_server_name.
//
// Its errors are of class ClassConfiguration and quote nothing that can be part of a password.
func ParseDSN(text string) (Target, error) {
	target, err := parseDSN(text)
	if err != nil {
		return Target{}, &schema.Error{Class: schema.ClassConfiguration, Op: "read the ClickHouse DSN", Err: err}
	}
	return target, nil
}

func parseDSN(text string) (Target, error) {
	kind, rest, found := strings.Cut(text, ":")
	if !found {
		return Target{}, errors.New("it has no scheme: " + wanted)
	}
	if kind == "embedded" {
		if rest == "" {
			return Target{}, errors.New("embedded: names no folder: want embedded:PATH")
		}
		return Target{Database: DefaultDatabase, Path: rest}, nil
	}
	known, found := schemes[kind]
	if !found {
		return Target{}, errors.New("its scheme is unknown: " + wanted)
	}
	rest, found = strings.CutPrefix(rest, "//")
	if !found {
		return Target{}, errors.New("its scheme is not followed by //: " + wanted)
	}
	authority, tail := rest, ""
	if end := strings.IndexAny(rest, "/?#"); end >= 0 {
		authority, tail = rest[:end], rest[end:]
	}
	// With an @ further on, the authority ended inside the user or the password: all of it may be secret.
	if strings.ContainsAny(tail, "@#") {
		return Target{}, errors.New("it has a # or a late @: write special characters of user and password as %XX, as %23 for # and %2F for /")
	}
	target := Target{Protocol: known.protocol, Secure: known.secure}
	if err := target.readTail(tail, known); err != nil {
		return Target{}, err
	}
	port := known.port
	if target.Secure && !known.secure {
		port = known.securePort
	}
	if err := target.readAuthority(authority, port); err != nil {
		return Target{}, err
	}
	return target, nil
}

// readAuthority reads user:password@host:port,host:port. Its errors quote hosts only where no part of them can
// come from the password.
func (t *Target) readAuthority(authority, port string) error {
	hosts := authority
	if at := strings.LastIndex(authority, "@"); at >= 0 {
		hosts = authority[at+1:]
		name, word, _ := strings.Cut(authority[:at], ":")
		username, err := url.PathUnescape(name)
		if err != nil {
			return errors.New("its user has a % that is not followed by two hexadecimal digits: write % as %25")
		}
		password, err := url.PathUnescape(word)
		if err != nil {
			return errors.New("its password has a % that is not followed by two hexadecimal digits: write % as %25")
		}
		t.Username, t.Password = username, schema.NewSecret(password)
	}
	if hosts == "" {
		return errors.New("it names no host: " + wanted)
	}
	for host := range strings.SplitSeq(hosts, ",") {
		address, err := withPort(host, port)
		if err != nil {
			return err
		}
		t.Addresses = append(t.Addresses, address)
	}
	return nil
}

var errAddress = errors.New("one of its hosts is not host or host:port: write special characters of user and password as %XX")

// withPort completes an address; an IPv6 host stands in brackets.
func withPort(address, port string) (string, error) {
	host := address
	// A colon after the bracket, or the only one: a port follows.
	if colon := strings.LastIndexByte(address, ':'); colon > strings.LastIndexByte(address, ']') {
		host, port = address[:colon], address[colon+1:]
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return "", errAddress
	}
	if inner, bracketed := strings.CutPrefix(host, "["); bracketed {
		inner, bracketed = strings.CutSuffix(inner, "]")
		if !bracketed || net.ParseIP(inner) == nil {
			return "", errAddress
		}
		return net.JoinHostPort(inner, port), nil
	}
	if !hostName.MatchString(host) {
		return "", errAddress
	}
	return net.JoinHostPort(host, port), nil
}

var (
	hostName   = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)
	identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// readTail reads /database?parameters. Nothing of it is secret: ParseDSN made sure that the password ended before.
func (t *Target) readTail(tail string, known scheme) error {
	path, query, _ := strings.Cut(tail, "?")
	t.Database = strings.TrimPrefix(path, "/")
	if t.Database == "" {
		t.Database = DefaultDatabase
	}
	if !identifier.MatchString(t.Database) {
		return fmt.Errorf("%q is no name for a database: want letters, digits and _", t.Database)
	}
	parameters, err := url.ParseQuery(query)
	if err != nil {
		return fmt.Errorf("its parameters do not read as name=value&name=value: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(parameters)) {
		values := parameters[name]
		if len(values) != 1 {
			return fmt.Errorf("its parameter %s is given %d times", name, len(values))
		}
		if err := t.set(name, values[0], known); err != nil {
			return err
		}
	}
	if !t.Secure && (t.SkipVerify || t.ServerName != "") {
		return errors.New("its parameters skip_verify and tls_server_name need TLS: https://, or clickhouse:// with secure=true")
	}
	return nil
}

func (t *Target) set(name, value string, known scheme) error {
	switch name {
	case "secure":
		secure, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("its parameter secure is neither true nor false")
		}
		if known.securePort == "" && secure != known.secure {
			return errors.New("its parameter secure contradicts the scheme: http:// is without TLS, https:// with it")
		}
		t.Secure = secure
	case "skip_verify":
		skip, err := strconv.ParseBool(value)
		if err != nil {
			return errors.New("its parameter skip_verify is neither true nor false")
		}
		t.SkipVerify = skip
	case "tls_server_name":
		if !hostName.MatchString(value) {
			return errors.New("its parameter tls_server_name is no host name")
		}
		t.ServerName = value
	default:
		// The name is not quoted: somebody may have written the password there.
		return errors.New("it has an unknown parameter: want secure, skip_verify or tls_server_name")
	}
	return nil
}
