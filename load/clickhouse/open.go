// Package clickhouse loads batches of records into ClickHouse through clickhouse-go: a server by the native
// protocol or HTTP, or the engine inside the process.
//
// Its one rule: beyond Open nobody can tell which of them it is. Statements name their database themselves, and
// every error of the driver passes Classify once, on its way out of Connection or Destination.
package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"tieout/schema"
)

const (
	// dialTimeout bounds the dialling of one node, and the wait for a connection while all are in use. ClickHouse
	// Cloud takes its time to wake up; a refused connection fails at once.
	dialTimeout = 30 * time.Second
	// readTimeout bounds the wait for each answer of a server. A commit that takes longer looks failed and is not.
	readTimeout = 5 * time.Minute
	// compressionBytesMax is how much of a block is compressed and sent at once. It remains one block.
	compressionBytesMax = 1 << 20
	// connectionsMax is for a server. The engine inside the process runs one statement at a time, so there a
	// waiting statement should not also wait for a connection, and give up after dialTimeout.
	connectionsMax         = 8
	connectionsIdleMax     = 4 // each keeps the memory of the largest block that it has sent
	embeddedConnectionsMax = 64
)

// EmbeddedOpener opens the engine inside the process on a folder. It returns the round tripper that answers for it
// and what closes it.
type EmbeddedOpener func(path string) (http.RoundTripper, io.Closer, error)

// Options is what Open needs beside the target.
type Options struct {
	Embedded EmbeddedOpener // for targets that are embedded; nil where there are none
	Version  string         // of the program, as the server's query log shows it; may be empty
	// DefaultDatabase makes the target's database, which must exist then, the one that unqualified names mean.
	DefaultDatabase bool
	// Layout is what the server is known to be: it says what every statement is sent with. Zero: a single server.
	Layout schema.Layout
}

// auth says who connects, and which database is the default: none of ours, because it may not exist yet.
func auth(target Target, options Options) clickhouse.Auth {
	as := clickhouse.Auth{Username: target.Username, Password: target.Password.Reveal()}
	if options.DefaultDatabase {
		as.Database = target.Database
	}
	return as
}

// Connection is a pool of connections to one ClickHouse.
type Connection struct {
	driver.Conn
	engine    io.Closer // nil for a server
	inserting *turns    // where a table takes one insert at a time; nil: elsewhere
}

// Close closes the connections and, if it is embedded, the engine. Calling it again does nothing.
func (c *Connection) Close() error {
	err := c.Conn.Close()
	if c.engine != nil {
		err = errors.Join(err, c.engine.Close())
	}
	return err
}

// Open connects to the target and asks for a sign of life. The target's database need not exist.
//
// Errors are of class ClassUnavailable (nothing answers), ClassConfiguration (the user is not accepted, TLS does
// not fit, the engine cannot be opened) or ClassCancelled, and hold no password.
func Open(ctx context.Context, target Target, options Options) (*Connection, error) {
	if target.Embedded() {
		return openEmbedded(ctx, target, options)
	}
	conn, err := clickhouse.Open(serverOptions(target, options))
	if err != nil {
		return nil, &schema.Error{Class: schema.ClassConfiguration, Op: "connect to ClickHouse at " + target.place(), Err: err}
	}
	connection := &Connection{Conn: conn}
	if options.Layout.Quorum() {
		connection.inserting = &turns{}
	}
	return ping(ctx, target, connection)
}

func openEmbedded(ctx context.Context, target Target, options Options) (*Connection, error) {
	if options.Embedded == nil {
		return nil, &schema.Error{Class: schema.ClassConfiguration, Err: errors.New("this program has no embedded ClickHouse")}
	}
	if err := ctx.Err(); err != nil {
		return nil, Classify("open the embedded ClickHouse", err)
	}
	transport, engine, err := options.Embedded(target.Path)
	if err != nil {
		return nil, err // classified where it arose
	}
	conn, err := clickhouse.Open(&clickhouse.Options{
		Protocol:      clickhouse.HTTP,
		Addr:          []string{"embedded"}, // shown in messages, and never dialled
		Auth:          auth(target, options),
		ClientInfo:    clientInfo(options.Version),
		DialTimeout:   dialTimeout,
		MaxOpenConns:  embeddedConnectionsMax,
		MaxIdleConns:  embeddedConnectionsMax,
		TransportFunc: func(*http.Transport) (http.RoundTripper, error) { return transport, nil },
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("connect to the embedded ClickHouse: %w", err), engine.Close())
	}
	return ping(ctx, target, &Connection{Conn: conn, engine: engine})
}

// ping returns the connection if its ClickHouse answers, and else closes it. It does not wait for a handshake with
// a silent server when the context ends, as the driver would.
func ping(ctx context.Context, target Target, connection *Connection) (*Connection, error) {
	answer := make(chan error, 1)
	go func() { answer <- connection.Conn.Ping(ctx) }()
	select {
	case err := <-answer:
		if err == nil {
			return connection, nil
		}
		// What could be said about the closing would only hide why it is closed.
		_ = connection.Close()
		return nil, refused(ctx, target, err)
	case <-ctx.Done():
		_ = connection.Close() // the handshake, when it ends, finds the pool closed
		return nil, refused(ctx, target, ctx.Err())
	}
}

// refused classifies an error of the first contact. What the retry wrapper would call transient is here the
// absence of the service: nothing was begun that could be repeated.
func refused(ctx context.Context, target Target, err error) error {
	if ctx.Err() != nil {
		return Classify("connect to ClickHouse at "+target.place(), ctx.Err())
	}
	failure := Classify("", err)
	classified, _ := errors.AsType[*schema.Error](failure)
	switch classified.Class {
	case schema.ClassTransient, schema.ClassUnavailable:
		return &schema.Error{
			Class: schema.ClassUnavailable, Hint: classified.Hint,
			Err: fmt.Errorf("ClickHouse at %s is not reachable: %w", target.place(), classified.Err),
		}
	case schema.ClassUnclassified:
		if _, ok := errors.AsType[*clickhouse.Exception](err); !ok {
			classified.Class, classified.Hint = schema.ClassConfiguration, "is this a ClickHouse, and the port the one for this protocol?"
		}
	}
	classified.Op = "connect to ClickHouse at " + target.place()
	return classified
}

func serverOptions(target Target, options Options) *clickhouse.Options {
	o := &clickhouse.Options{
		Protocol:     target.Protocol,
		Addr:         target.Addresses,
		Auth:         auth(target, options),
		ClientInfo:   clientInfo(options.Version),
		Compression:  &clickhouse.Compression{Method: clickhouse.CompressionLZ4},
		DialTimeout:  dialTimeout,
		ReadTimeout:  readTimeout,
		MaxOpenConns: connectionsMax,
		MaxIdleConns: connectionsIdleMax,
		Settings:     options.Layout.Settings(),

		MaxCompressionBuffer: compressionBytesMax,
	}
	if target.Secure {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: target.ServerName, InsecureSkipVerify: target.SkipVerify}
	}
	if target.Protocol == clickhouse.Native {
		o.DialContext = dialNative(o.TLS)
	}
	return o
}

// dialNative returns a dialler that gives up when its context ends, which the driver's own does not: it would keep
// an interrupted program for the whole of dialTimeout. With a dialler of ours the driver leaves TLS to us.
func dialNative(config *tls.Config) func(ctx context.Context, address string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: dialTimeout}
	if config == nil {
		return func(ctx context.Context, address string) (net.Conn, error) {
			return plain.DialContext(ctx, "tcp", address)
		}
	}
	secure := &tls.Dialer{NetDialer: plain, Config: config}
	return func(ctx context.Context, address string) (net.Conn, error) {
		return secure.DialContext(ctx, "tcp", address)
	}
}

func clientInfo(version string) clickhouse.ClientInfo {
	return clickhouse.ClientInfo{Products: []struct{ Name, Version string }{{Name: "tieout", Version: version}}}
}
