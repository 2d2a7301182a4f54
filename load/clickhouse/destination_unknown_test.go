package clickhouse_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	driverpackage "github.com/ClickHouse/clickhouse-go/v2"

	"tieout/load/clickhouse"
	"tieout/load/clickhouse/clickhousetest"
	"tieout/schema"
)

// retried are the codes after which an insert is repeated.
var retried = []int32{3, 107, 159, 164, 202, 203, 209, 210, 241, 242, 252, 285, 286, 289, 319, 425, 517, 999}

// refusedCodes are some of all others.
var refusedCodes = []int32{1, 6, 16, 27, 36, 47, 48, 53, 62, 70, 160, 251, 253, 318, 320, 349, 395, 998, 1001, 1002}

// TestUnknownOutcomeServer breaks inserts at a server in all the ways whose outcome is unknown to who has sent them: the
// connection is cut before the server hears of the insert, in the middle of its rows, with rows sent, and after the
// commit; the server answers with an error, before and after it has stored the rows. Each is repeated once: a new batch
// with the same rows in the same order under the same token on a fresh connection. It is never doubled and never
// swallowed. After an error that is not in the list nothing is repeated.
func TestUnknownOutcomeServer(t *testing.T) {
	servers(t, func(t *testing.T, target clickhouse.Target) {
		direct, err := clickhouse.Open(t.Context(), target, clickhouse.Options{Version: "test"})
		must(t, err)
		t.Cleanup(func() { _ = direct.Close() }) // the test is over
		w := newWarehouse(t, direct)
		u := &unknownOutcome{warehouse: w, target: target}
		var group sync.WaitGroup
		for _, moment := range []clickhousetest.Moment{clickhousetest.BeforeSend, clickhousetest.WithinBlock, clickhousetest.AfterRows, clickhousetest.AfterCommit} {
			group.Go(func() { u.repeated(t, fmt.Sprintf("cut %d", moment), clickhousetest.Harm{Moment: moment}) })
		}
		for _, code := range retried {
			for _, moment := range []clickhousetest.Moment{clickhousetest.BeforeSend, clickhousetest.AfterCommit} {
				group.Go(func() {
					u.repeated(t, fmt.Sprintf("code %d %d", code, moment), clickhousetest.Harm{Moment: moment, Code: code})
				})
			}
		}
		for _, code := range refusedCodes {
			group.Go(func() {
				u.refused(t, fmt.Sprintf("code %d", code), clickhousetest.Harm{Moment: clickhousetest.BeforeSend, Code: code})
			})
		}
		group.Wait()
		if t.Failed() {
			return
		}
		stored := 4 + 2*len(retried)
		w.wantCounts(t, map[string]int{"deposit_versions": 2 * stored, "deposits": 2 * stored, "record_sightings": 2 * stored})
	})
}

// servers runs a test for each of the servers that the environment names.
func servers(t *testing.T, run func(t *testing.T, target clickhouse.Target)) {
	t.Helper()
	texts := strings.Fields(os.Getenv("TIEOUT_TEST_CLICKHOUSE_DSN"))
	if len(texts) == 0 {
		t.Skip("TIEOUT_TEST_CLICKHOUSE_DSN names no server")
	}
	for _, text := range texts {
		target, err := clickhouse.ParseDSN(text)
		must(t, err)
		t.Run(target.Protocol.String(), func(t *testing.T) { run(t, target) })
	}
}

type unknownOutcome struct {
	*warehouse
	target clickhouse.Target
}

// through opens a connection by way of a proxy.
func (u *unknownOutcome) through(t *testing.T) (*clickhousetest.Proxy, *warehouse) {
	t.Helper()
	proxy := clickhousetest.New(t, u.target.Protocol, u.target.Addresses[0])
	target := u.target
	target.Addresses = []string{proxy.Address()}
	conn, err := clickhouse.Open(t.Context(), target, clickhouse.Options{Version: "test"})
	if err != nil {
		t.Error(err)
		return proxy, nil
	}
	t.Cleanup(func() { _ = conn.Close() })
	return proxy, &warehouse{u.Conn, u.database, clickhouse.NewDestination(conn, u.database)}
}

// repeated harms the first insert of versions, and wants it to come a second time as it was.
func (u *unknownOutcome) repeated(t *testing.T, name string, harm clickhousetest.Harm) {
	proxy, w := u.through(t)
	if w == nil {
		return
	}
	harm.Table, harm.Number = "deposit_versions", 1
	proxy.Order(harm)
	receipt, err := w.destination.Write(t.Context(), deposits(name, deposit(name+" b", schema.StatusPending, "1", 0), deposit(name+" a", schema.StatusPending, "2", 0)))
	if err != nil || receipt.Versions != 2 {
		t.Errorf("%s: %+v, %v", name, receipt, err)
	}
	inserts := proxy.Inserts(harm.Table)
	if proxy.Harmed() != 1 || len(inserts) != 2 {
		t.Errorf("%s: %d harmed of %d inserts", name, proxy.Harmed(), len(inserts))
		return
	}
	first, second := inserts[0], inserts[1]
	if first.Token == "" || first.Token != second.Token || first.Connection == second.Connection {
		t.Errorf("%s: token %q by connection %d, then %q by %d", name, first.Token, first.Connection, second.Token, second.Connection)
	}
	if !bytes.HasPrefix(second.Rows, first.Rows) || len(second.Rows) == 0 || harm.Moment == clickhousetest.AfterCommit && len(first.Rows) != len(second.Rows) {
		t.Errorf("%s: the rows were not the same", name)
	}
}

// refused wants an error at once.
func (u *unknownOutcome) refused(t *testing.T, name string, harm clickhousetest.Harm) {
	proxy, w := u.through(t)
	if w == nil {
		return
	}
	harm.Table, harm.Number = "deposit_versions", 1
	proxy.Order(harm)
	_, err := w.destination.Write(t.Context(), deposits(name, deposit("refused "+name, schema.StatusPending, "1", 0)))
	if err == nil || schema.ClassOf(err) == schema.ClassTransient || len(proxy.Inserts(harm.Table)) != 1 {
		t.Errorf("%s: %d inserts, %v", name, len(proxy.Inserts(harm.Table)), err)
	}
}

// TestRetriedCodes: the codes above are those that Classify takes for transient, and the others are not.
func TestRetriedCodes(t *testing.T) {
	for code := range int32(1100) {
		transient := schema.ClassOf(clickhouse.Classify("", exception(code))) == schema.ClassTransient
		if transient != slices.Contains(retried, code) || transient && slices.Contains(refusedCodes, code) {
			t.Errorf("code %d is transient: %v", code, transient)
		}
	}
}

func exception(code int32) error { return &driverpackage.Exception{Code: code} }
