package extract

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"

	"tieout/schema"
)

// TestNeighbourhoods judges addresses of every range that no partner is in, and their neighbours, which are anybody's.
func TestNeighbourhoods(t *testing.T) {
	tests := map[string][]string{
		"": {
			"1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0", "169.253.255.255",
			"169.255.0.0", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0",
			"223.255.255.255", "2600::1", "2001:4860:4860::8888", "64:ff9b::1.1.1.1", "2002:101:101::1", "::ffff:1.1.1.1", "fbff::1",
		},
		privateNetwork: {
			"127.0.0.1", "127.255.255.255", "::1", "10.0.0.0", "10.255.255.255", "172.16.0.1", "172.31.255.255", "192.168.0.1",
			"100.64.0.0", "100.127.255.255", "fc00::1", "fdff::1", "fec0::1", "198.18.0.1", "198.19.255.255", "::ffff:10.0.0.1",
			"::ffff:127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::1", "2002:a00:1::1", "2002:7f00:1::",
		},
		ownMachinery: {
			"0.0.0.0", "0.255.255.255", "169.254.169.254", "169.254.0.1", "::", "fe80::1", "febf::1", "ff02::1", "224.0.0.1", "239.0.0.1",
			"240.0.0.1", "255.255.255.255", "192.0.0.192", "100.100.100.200", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254",
			"::ffff:169.254.169.254", "64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1", "::10.0.0.1", "::2",
		},
	}
	for want, addresses := range tests {
		for _, text := range addresses {
			if got := neighbourhoodOf(netip.MustParseAddr(text).Unmap()); got != want {
				t.Errorf("%s is %q, want %q", text, got, want)
			}
		}
	}
}

// TestDialGuard lets hosts through to what their authors mean.
func TestDialGuard(t *testing.T) {
	guard := newDialGuard([]string{"Partner.internal."})
	tests := []struct {
		host, resolved string
		let            bool
	}{
		{"api.partner.example", "93.184.216.34:443", true},
		{"api.partner.example", "10.0.0.1:443", false},
		{"api.partner.example", "127.0.0.1:443", false},
		{"api.partner.example", "169.254.169.254:443", false},
		{"localhost", "127.0.0.1:80", true},
		{"LocalHost.", "[::1]:80", true},
		{"localhost", "10.0.0.1:80", false},
		{"localhost", "169.254.169.254:80", false},
		{"localhost.partner.example", "127.0.0.1:80", false},
		{"127.0.0.1", "127.0.0.1:80", true},
		{"10.0.0.1", "10.0.0.1:443", true},
		{"10.0.0.1", "10.0.0.2:443", false},
		{"169.254.169.254", "169.254.169.254:80", true},
		{"::1", "[::1]:80", true},
		{"fe80::1%eth0", "[fe80::1%eth0]:443", true},
		{"::ffff:10.0.0.1", "10.0.0.1:443", true},
		{"partner.internal", "10.0.0.1:443", true},
		{"partner.internal", "127.0.0.1:443", true},
		{"partner.internal", "[fd12::1]:443", true},
		{"partner.internal", "169.254.169.254:443", false},
		{"partner.internal", "[fd00:ec2::254]:443", false},
		{"partner.internal", "0.0.0.0:443", false},
		{"partner.internal", "nonsense", false},
	}
	for _, test := range tests {
		if err := guard.judge(plainHost(test.host), test.resolved); (err == nil) != test.let {
			t.Errorf("%s at %s: %v, want it let through: %v", test.host, test.resolved, err, test.let)
		}
	}
}

// TestDialGuardAsksNobody resolves a partner's name, by a server of names in the test, to a server on this machine: it
// is not connected to, the error says what to do and is of the configuration, and nothing is tried again. With the
// host named as private, and with the address itself in the base URL, it is asked.
func TestDialGuardAsksNobody(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"data":[]}`)
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	port := server.URL[strings.LastIndexByte(server.URL, ':'):]
	tests := map[string]struct {
		host    string
		private []string
		asked   bool
	}{
		"a name":                     {"api.partner.example", nil, false},
		"another name is private":    {"api.partner.example", []string{"partner.example"}, false},
		"the name is private":        {"api.partner.example", []string{"api.partner.example"}, true},
		"the address":                {"127.0.0.1", nil, true},
		"localhost":                  {"localhost", nil, true},
		"localhost, written proudly": {"LOCALHOST", nil, true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			connections.Store(0)
			client := guardedClient(t, "http://"+test.host+port, test.private)
			_, err := client.Fetch(t.Context(), schema.Balances, "")
			if (err == nil) != test.asked || (connections.Load() > 0) != test.asked {
				t.Fatalf("%v, and %d connections, want it asked: %v", err, connections.Load(), test.asked)
			}
			if test.asked {
				return
			}
			if schema.ClassOf(err) != schema.ClassConfiguration {
				t.Errorf("class %v of %v, want configuration", schema.ClassOf(err), err)
			}
			for _, part := range []string{"api.partner.example resolves to 127.0.0.1", "nothing was sent", "TIEOUT_<ACCOUNT>_PRIVATE_NETWORK=true"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

// guardedClient asks for balances through a transport whose names all resolve to 127.0.0.1.
func guardedClient(t *testing.T, base string, private []string) *Client {
	t.Helper()
	definition, err := ParseDefinition("test.yaml", []byte(`name: other
rate_limits: [100000/1s]
resources:
  balances: {path: /balances, paging: {style: none}, items: data, fields: {currency: code}}
`))
	if err != nil {
		t.Fatal(err)
	}
	guard := newDialGuard(private)
	guard.dialer.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go nameServer(far)
		return near, nil
	}}
	transport := NewTransport()
	transport.DialContext = guard.dial
	t.Cleanup(transport.CloseIdleConnections)
	client, err := NewClient(Account{Name: "other", Definition: definition, BaseURL: base}, transport, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// nameServer answers every question for an IPv4 address with 127.0.0.1, and every other one with nothing. A connection
// that is no packet's has the length of each message before it.
func nameServer(connection net.Conn) {
	defer connection.Close()
	for {
		var length uint16
		if err := binary.Read(connection, binary.BigEndian, &length); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) {
				panic(err)
			}
			return
		}
		question := make([]byte, length)
		if _, err := io.ReadFull(connection, question); err != nil {
			panic(err)
		}
		end := 12
		for question[end] != 0 {
			end += int(question[end]) + 1
		}
		end += 5 // the root, type and class
		answer := append([]byte{question[0], question[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question[12:end]...)
		if binary.BigEndian.Uint16(question[end-4:]) == 1 {
			answer[7] = 1
			answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1)
		}
		if err := binary.Write(connection, binary.BigEndian, uint16(len(answer))); err != nil { //nolint:gosec // a few dozen bytes
			return
		}
		if _, err := connection.Write(answer); err != nil {
			return
		}
	}
}
