package clickhouse_test

import (
	"context"
	sqldriver "database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load/clickhouse"
	"tieout/load/embedded"
	"tieout/schema"
)

func TestClassifyCodes(t *testing.T) {
	want := map[int32]schema.Class{
		192: schema.ClassConfiguration, 193: schema.ClassConfiguration, 194: schema.ClassConfiguration,
		195: schema.ClassConfiguration, 516: schema.ClassConfiguration, 497: schema.ClassConfiguration,
		60: schema.ClassConfiguration, 81: schema.ClassConfiguration,
		243: schema.ClassUnavailable,
	}
	for _, code := range []int32{3, 107, 159, 164, 202, 203, 209, 210, 241, 242, 252, 285, 286, 289, 319, 425, 517, 999} {
		want[code] = schema.ClassTransient
	}
	for code := range int32(1100) {
		exception := &driverpackage.Exception{Code: code, Message: "as it were"}
		for transport, err := range map[string]error{
			"native": fmt.Errorf("exec: %w", exception),
			"http":   fmt.Errorf("sendQuery: %w", &driverpackage.HTTPError{StatusCode: 500, Err: exception}),
		} {
			classified := clickhouse.Classify("write batch 7", err)
			if got := schema.ClassOf(classified); got != want[code] {
				t.Errorf("code %d by %s is %s, want %s", code, transport, got, want[code])
			}
			if found, ok := errors.AsType[*driverpackage.Exception](classified); !ok || found != exception {
				t.Errorf("code %d by %s lost its cause", code, transport)
			}
		}
	}
}

var errNoAnswer = errors.New("http: server closed idle connection")

func TestClassifyErrors(t *testing.T) {
	for name, test := range map[string]struct {
		err  error
		want schema.Class
	}{
		"cancelled":        {fmt.Errorf("query: %w", context.Canceled), schema.ClassCancelled},
		"deadline":         {fmt.Errorf("query: %w", context.DeadlineExceeded), schema.ClassTransient},
		"read timeout":     {&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, schema.ClassTransient},
		"bad connection":   {fmt.Errorf("send: %w", sqldriver.ErrBadConn), schema.ClassTransient},
		"end of file":      {fmt.Errorf("handshake: %w", io.EOF), schema.ClassTransient},
		"cut short":        {io.ErrUnexpectedEOF, schema.ClassTransient},
		"refused":          {&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, schema.ClassTransient},
		"reset":            {os.NewSyscallError("read", syscall.ECONNRESET), schema.ClassTransient},
		"broken pipe":      {os.NewSyscallError("write", syscall.EPIPE), schema.ClassTransient},
		"no such host":     {&net.DNSError{Err: "no such host", Name: "ch"}, schema.ClassTransient},
		"no answer":        {fmt.Errorf("sendQuery: %w", &url.Error{Op: "Post", URL: "http://x", Err: errNoAnswer}), schema.ClassTransient},
		"closed engine":    {fmt.Errorf("sendQuery: %w", &url.Error{Op: "Post", URL: "http://x", Err: embedded.ErrClosed}), schema.ClassUnclassified},
		"pool is full":     {driverpackage.ErrAcquireConnTimeout, schema.ClassTransient},
		"proxy overloaded": {&driverpackage.HTTPError{StatusCode: 429, Err: errors.New("slow down")}, schema.ClassTransient},
		"proxy down":       {&driverpackage.HTTPError{StatusCode: 503, Err: errors.New("no")}, schema.ClassTransient},
		"proxy login":      {&driverpackage.HTTPError{StatusCode: 401, Err: errors.New("who")}, schema.ClassConfiguration},
		"proxy refuses":    {&driverpackage.HTTPError{StatusCode: 400, Err: errors.New("what")}, schema.ClassUnclassified},
		"wrong value":      {driverpackage.ErrBatchInvalid, schema.ClassUnclassified},
		"anything":         {errors.New("anything"), schema.ClassUnclassified},
	} {
		err := clickhouse.Classify("write batch 7", test.err)
		if got := schema.ClassOf(err); got != test.want {
			t.Errorf("%s is %s, want %s", name, got, test.want)
		}
		cause := test.err
		if request, ok := errors.AsType[*url.Error](cause); ok {
			cause = request.Err // the address is cut off
		}
		if !errors.Is(err, cause) {
			t.Errorf("%s lost its cause", name)
		}
		if !strings.HasPrefix(err.Error(), "write batch 7: ") {
			t.Errorf("%s: %q does not start with the operation", name, err)
		}
	}
	if err := clickhouse.Classify("write", nil); err != nil {
		t.Errorf("nil became %v", err)
	}
}

func TestClassifyKeepsAClass(t *testing.T) {
	inner := &schema.Error{Class: schema.ClassUnavailable, Op: "wake up", Err: context.Canceled}
	err := clickhouse.Classify("write", fmt.Errorf("send: %w", inner))
	classified, ok := errors.AsType[*schema.Error](err)
	if !ok || classified.Class != schema.ClassUnavailable || !errors.Is(err, inner) {
		t.Errorf("became %#v", err)
	}
}

func TestClassifyHidesTheRequest(t *testing.T) {
	err := clickhouse.Classify("write", fmt.Errorf("sendQuery: %w", &url.Error{
		Op: "Post", URL: "http://user:***@host?query=INSERT+secret", Err: syscall.ECONNREFUSED,
	}))
	if strings.Contains(err.Error(), "secret") || schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("%s: %v", schema.ClassOf(err), err)
	}
}
