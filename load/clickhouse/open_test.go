package clickhouse_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"tieout/load/clickhouse"
	"tieout/load/embedded/embeddedtest"
	"tieout/schema"
)

func TestMain(m *testing.M) { os.Exit(embeddedtest.Main(m)) }

func TestEmbedded(t *testing.T) { suite(t, embeddedtest.Connect(t)) }

// TestServer runs the same against servers.
func TestServer(t *testing.T) {
	embeddedtest.Servers(t, func(t *testing.T, connection *clickhouse.Connection) { suite(t, connection) })
}

const password = "correct horse/battery?staple#1"

func refusedBy(t *testing.T, protocol, address string) error {
	t.Helper()
	target, err := clickhouse.ParseDSN(protocol + "://someone@" + address)
	must(t, err)
	target.Password = schema.NewSecret(password)
	start := time.Now()
	connection, err := clickhouse.Open(t.Context(), target, clickhouse.Options{})
	if err == nil {
		connection.Close()
		t.Fatal("the connection was opened")
	}
	if waited := time.Since(start); waited > 5*time.Second {
		t.Errorf("%s: it took %s to fail", protocol, waited)
	}
	if strings.Contains(err.Error(), "horse") {
		t.Errorf("%s: the error shows the password: %v", protocol, err)
	}
	return err
}

func TestOpenWithoutServer(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	address := listener.Addr().String()
	must(t, listener.Close()) // nobody listens there now
	for _, protocol := range []string{"clickhouse", "http", "https"} {
		err := refusedBy(t, protocol, address)
		if class := schema.ClassOf(err); class != schema.ClassUnavailable {
			t.Errorf("%s: class %s of %v", protocol, class, err)
		}
		for _, part := range []string{"ClickHouse at ", address, "is not reachable", "connection refused"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: the error does not say %q: %v", protocol, part, err)
			}
		}
		if strings.Contains(err.Error(), "client_protocol_version") {
			t.Errorf("%s: the error shows the request: %v", protocol, err)
		}
	}
}

// TestOpenOfSomethingElse asks servers that are no ClickHouse, or speak the other protocol.
func TestOpenOfSomethingElse(t *testing.T) {
	answering := func(status int, header, text string) *httptest.Server {
		return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if header != "" {
				w.Header().Set("X-ClickHouse-Exception-Code", header)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}))
	}
	for name, test := range map[string]struct {
		protocol string
		server   *httptest.Server
		want     schema.Class
	}{
		"login":         {"http", answering(403, "516", "Code: 516. DB::Exception: someone: Authentication failed. (AUTHENTICATION_FAILED)"), schema.ClassConfiguration},
		"proxy login":   {"http", answering(401, "", "who are you?"), schema.ClassConfiguration},
		"absent page":   {"http", answering(404, "", "no such page"), schema.ClassConfiguration},
		"gateway":       {"http", answering(502, "", "bad gateway"), schema.ClassUnavailable},
		"starting":      {"http", answering(500, "210", "Code: 210. DB::Exception: later (NETWORK_ERROR)"), schema.ClassUnavailable},
		"plain for TLS": {"https", answering(200, "", ""), schema.ClassConfiguration},
		"untrusted":     {"https", httptest.NewTLSServer(http.NotFoundHandler()), schema.ClassConfiguration},
	} {
		t.Run(name, func(t *testing.T) {
			defer test.server.Close()
			err := refusedBy(t, test.protocol, test.server.Listener.Addr().String())
			if class := schema.ClassOf(err); class != test.want {
				t.Errorf("class %s, want %s: %v", class, test.want, err)
			}
			t.Log(err)
		})
	}
}

// TestOpenInterrupted shows that a program that is told to stop does not wait for a server that says nothing.
func TestOpenInterrupted(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0") // accepts, in the kernel, and is silent
	must(t, err)
	defer listener.Close()
	for _, protocol := range []string{"http", "clickhouse"} {
		target, err := clickhouse.ParseDSN(protocol + "://" + listener.Addr().String())
		must(t, err)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(50*time.Millisecond, cancel)
		start := time.Now()
		_, err = clickhouse.Open(ctx, target, clickhouse.Options{})
		if class := schema.ClassOf(err); class != schema.ClassCancelled {
			t.Errorf("%s: class %s of %v", protocol, class, err)
		}
		if waited := time.Since(start); waited > 5*time.Second {
			t.Errorf("%s: it took %s to give up", protocol, waited)
		}
	}
}

type closer struct{ count int }

func (c *closer) Close() error { c.count++; return nil }

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestOpenEmbedded(t *testing.T) {
	target := clickhouse.Target{Database: "tieout", Path: "somewhere"}
	if _, err := clickhouse.Open(t.Context(), target, clickhouse.Options{}); schema.ClassOf(err) != schema.ClassConfiguration {
		t.Errorf("without an opener: %v", err)
	}
	absent := &schema.Error{Class: schema.ClassConfiguration, Err: errors.New("no library")}
	_, err := clickhouse.Open(t.Context(), target, clickhouse.Options{
		Embedded: func(string) (http.RoundTripper, io.Closer, error) { return nil, nil, absent },
	})
	if !errors.Is(err, absent) {
		t.Errorf("the opener's error became %v", err)
	}
	engine := &closer{}
	_, err = clickhouse.Open(t.Context(), target, clickhouse.Options{
		Embedded: func(path string) (http.RoundTripper, io.Closer, error) {
			if path != "somewhere" {
				t.Errorf("path is %q", path)
			}
			return roundTripper(func(r *http.Request) (*http.Response, error) { return nil, errors.New("broken") }), engine, nil
		},
	})
	if err == nil || engine.count != 1 {
		t.Errorf("an engine that does not answer: %v, closed %d times", err, engine.count)
	}
}
