package clickhouse

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	sqldriver "database/sql/driver"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/schema"
)

// verdict is what is to be done about one of ClickHouse's error codes.
type verdict struct {
	class schema.Class
	hint  string
}

var (
	again   = verdict{class: schema.ClassTransient}
	login   = verdict{schema.ClassConfiguration, "check user and password in TIEOUT_CLICKHOUSE_DSN"}
	grants  = verdict{schema.ClassConfiguration, "the ClickHouse user needs more rights"}
	migrate = verdict{schema.ClassConfiguration, "`tieout migrate` creates the schema"}
	full    = verdict{schema.ClassUnavailable, "ClickHouse has no disk space left"}
)

// verdicts holds the codes that we know what to do about. Every other code is a fault of ours until somebody has
// thought about it.
var verdicts = map[int32]verdict{
	3:   again, // UNEXPECTED_END_OF_FILE
	107: again, // FILE_DOESNT_EXIST: a part was merged away
	159: again, // TIMEOUT_EXCEEDED
	164: again, // READONLY: the server is starting, or a node is out of its quorum
	202: again, // TOO_MANY_SIMULTANEOUS_QUERIES
	203: again, // NO_FREE_CONNECTION
	209: again, // SOCKET_TIMEOUT
	210: again, // NETWORK_ERROR
	241: again, // MEMORY_LIMIT_EXCEEDED
	242: again, // TABLE_IS_READ_ONLY: the replica has lost its Keeper
	252: again, // TOO_MANY_PARTS
	285: again, // TOO_FEW_LIVE_REPLICAS
	286: again, // UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE: another insert is under way
	289: again, // REPLICA_IS_NOT_IN_QUORUM: it has not caught up with what it is asked for
	319: again, // UNKNOWN_STATUS_OF_INSERT: repeating is safe, because every insert is
	425: again, // SYSTEM_ERROR
	517: again, // CANNOT_ASSIGN_ALTER
	999: again, // KEEPER_EXCEPTION

	192: login, // UNKNOWN_USER
	193: login, // WRONG_PASSWORD
	194: login, // REQUIRED_PASSWORD
	195: login, // IP_ADDRESS_NOT_ALLOWED
	516: login, // AUTHENTICATION_FAILED

	497: grants, // ACCESS_DENIED

	60: migrate, // UNKNOWN_TABLE
	81: migrate, // UNKNOWN_DATABASE

	243: full, // NOT_ENOUGH_SPACE
}

// Classify turns an error of the driver into a schema.Error with the operation, as "write batch 7 of kuna/trades".
// It is the one place that knows ClickHouse's codes; what is classified already keeps its class. It returns nil
// for nil.
//
// A lost answer is ClassTransient although the write may have happened: that rests on every write being safe to
// repeat.
func Classify(op string, err error) error {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*schema.Error](err); ok {
		return &schema.Error{Class: known.Class, Op: op, Err: known}
	}
	judged := judge(err)
	// The HTTP client quotes the request's address, which has the whole statement in it.
	if request, ok := errors.AsType[*url.Error](err); ok {
		err = request.Err
	}
	return &schema.Error{Class: judged.class, Op: op, Hint: judged.hint, Err: err}
}

func judge(err error) verdict {
	// A server that ends a query because we told it to answers with an exception of its own, so this comes first.
	if errors.Is(err, context.Canceled) {
		return verdict{class: schema.ClassCancelled}
	}
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok {
		return verdicts[exception.Code]
	}
	if answer, ok := errors.AsType[*clickhouse.HTTPError](err); ok {
		return judgeStatus(answer.StatusCode)
	}
	if untrusted(err) {
		return verdict{schema.ClassConfiguration, "TLS: does the port speak it, and is the server's certificate valid for its name?"}
	}
	if lost(err) {
		return again
	}
	return verdict{}
}

// judgeStatus is for answers without ClickHouse's exception: they come from a proxy in front of it.
func judgeStatus(status int) verdict {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return login
	case status == http.StatusRequestTimeout || status == http.StatusTooManyRequests || status >= 500:
		return again
	default:
		return verdict{}
	}
}

// untrusted reports whether TLS failed in a way that the next attempt cannot change.
func untrusted(err error) bool {
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return true
	}
	return errors.Is(err, http.ErrSchemeMismatch)
}

// lost reports whether the connection, and not the statement, is to blame.
func lost(err error) bool {
	for _, sign := range []error{
		sqldriver.ErrBadConn, io.EOF, io.ErrUnexpectedEOF, io.ErrClosedPipe, net.ErrClosed,
		context.DeadlineExceeded, os.ErrDeadlineExceeded,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EPIPE,
		clickhouse.ErrAcquireConnTimeout,
	} {
		if errors.Is(err, sign) {
			return true
		}
	}
	// Among these is url.Error, which is every request that got no answer.
	_, network := errors.AsType[net.Error](err)
	return network
}
