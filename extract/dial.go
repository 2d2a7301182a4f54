package extract

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// dialGuard looks at the address of every connection after its name was resolved and before anything is sent.
type dialGuard struct {
	dialer  net.Dialer
	private map[string]bool // hosts that may be in a private network
}

func newDialGuard(privateHosts []string) *dialGuard {
	g := &dialGuard{dialer: net.Dialer{Timeout: 10 * time.Second}, private: map[string]bool{}}
	for _, host := range privateHosts {
		g.private[plainHost(host)] = true
	}
	return g
}

// dial connects to a host. The host is always that of a base URL: redirects are not followed, and links lead nowhere
// else.
func (g *dialGuard) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	dialer := g.dialer
	dialer.Control = func(_, resolved string, _ syscall.RawConn) error { return g.judge(plainHost(host), resolved) }
	return dialer.DialContext(ctx, network, address)
}

// plainHost returns the one form of a host that is compared.
func plainHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ".") }

// judge returns a *blockedAddress if the host must not be dialled at the address that it resolved to.
func (g *dialGuard) judge(host, resolved string) error {
	at, err := netip.ParseAddrPort(resolved)
	if err != nil {
		return fmt.Errorf("the resolved address: %w", err)
	}
	address := at.Addr().WithZone("").Unmap()
	if literal, err := netip.ParseAddr(host); err == nil && literal.WithZone("").Unmap() == address {
		return nil // who names the address means it
	}
	where := neighbourhoodOf(address)
	switch {
	case where == "", host == "localhost" && address.IsLoopback(), g.private[host] && where == privateNetwork:
		return nil
	}
	return &blockedAddress{host: host, address: address, where: where}
}

// The neighbourhoods in which no partner is.
const (
	privateNetwork = "in a private network or on this machine"
	ownMachinery   = "where only machinery of the network is, such as the metadata of a cloud"
)

// neighbourhoods are told by the first prefix that holds an address.
var neighbourhoods = []struct {
	where    string
	prefixes []netip.Prefix
}{
	{ownMachinery, prefixesOf(
		"0.0.0.0/8", "169.254.0.0/16", "192.0.0.0/24", "224.0.0.0/4", "240.0.0.0/4", "::/128", "fe80::/10", "ff00::/8",
		"100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::254/128", "fd20:ce::254/128", // metadata in ranges of another kind
	)},
	{privateNetwork, prefixesOf(
		"127.0.0.0/8", "::1/128", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fec0::/10",
		"100.64.0.0/10", "198.18.0.0/15", "64:ff9b:1::/48",
	)},
	{ownMachinery, prefixesOf("::/96")}, // once for IPv4 in IPv6
}

func prefixesOf(texts ...string) []netip.Prefix {
	prefixes := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		prefixes[i] = netip.MustParsePrefix(text)
	}
	return prefixes
}

// Ranges whose addresses carry an IPv4 address, with the byte at which it begins.
var carriers = map[netip.Prefix]int{netip.MustParsePrefix("64:ff9b::/96"): 12, netip.MustParsePrefix("2002::/16"): 2}

// neighbourhoodOf says where an address is; empty: where everybody can reach it.
func neighbourhoodOf(address netip.Addr) string {
	for carrier, begin := range carriers {
		if carrier.Contains(address) {
			bytes := address.As16()
			return neighbourhoodOf(netip.AddrFrom4([4]byte(bytes[begin : begin+4])))
		}
	}
	for _, neighbourhood := range neighbourhoods {
		for _, prefix := range neighbourhood.prefixes {
			if prefix.Contains(address) {
				return neighbourhood.where
			}
		}
	}
	return ""
}

// blockedAddress is the error of a connection that was not made.
type blockedAddress struct {
	host    string
	address netip.Addr
	where   string
}

// Error implements error.
func (b *blockedAddress) Error() string {
	return fmt.Sprintf("%s resolves to %s, %s: nothing was sent", b.host, b.address, b.where)
}

// hint says how an operator lets the connection through who means it.
func (b *blockedAddress) hint() string {
	if b.where == privateNetwork {
		return "if the partner is reached through a VPN or a gateway of yours, set TIEOUT_<ACCOUNT>_PRIVATE_NETWORK=true"
	}
	return "look at the DNS of the host; only a base URL that names the address itself is let through"
}
