package tables

import (
	"context"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"

	"tieout/checkpoints"
)

// keyFenceBits is by how many bits the number of the key's lease is shifted in the number of a state: below it there is
// room for the states that one lease sees. So a state that a stale holder wrote never counts, however late it arrives.
const keyFenceBits = 32

// LoadKey implements checkpoints.KeyStates.
func (s *Store) LoadKey(ctx context.Context, name string) (string, error) {
	var rows []struct {
		State string `ch:"state"`
	}
	err := s.conn.Select(ctx, &rows, "SELECT state FROM "+s.database+".key_states WHERE key = {key:String} ORDER BY seq DESC LIMIT 1",
		clickhouse.Named("key", name))
	if err != nil {
		return "", fmt.Errorf("load the state of a key: %w", err)
	}
	if len(rows) == 0 {
		return "", nil
	}
	return rows[0].State, nil
}

// KeyStates returns the last states of all keys whose names begin so, by their names.
func (s *Store) KeyStates(ctx context.Context, prefix string) (map[string]string, error) {
	var rows []struct {
		Key   string `ch:"key"`
		State string `ch:"state"`
	}
	err := s.conn.Select(ctx, &rows, "SELECT key, argMax(key_states.state, seq) AS state FROM "+s.database+".key_states WHERE startsWith(key, {prefix:String}) GROUP BY key",
		clickhouse.Named("prefix", prefix))
	if err != nil {
		return nil, fmt.Errorf("load the states of keys: %w", err)
	}
	states := map[string]string{}
	for _, row := range rows {
		states[row.Key] = row.State
	}
	return states, nil
}

// AppendKey implements checkpoints.KeyStates. The statement that writes also looks whether a later run has the key.
func (s *Store) AppendKey(ctx context.Context, k checkpoints.KeyState) error {
	scope := checkpoints.KeyOf(k.Name)
	err := s.conn.Exec(ctx, "INSERT INTO "+s.database+`.key_states (key, seq, state, written_at)
		SELECT {key:String}, {seq:UInt64}, {state:String}, now64(6, 'UTC')
		WHERE throwIf(greatest(
			(SELECT bitShiftRight(max(seq), {bits:UInt8}) FROM `+s.database+`.key_states WHERE key = {key:String}),
			(SELECT max(fence) FROM `+s.database+`.sync_leases WHERE scope = {scope:String})
		) > {fence:UInt64}, 'a later run has taken the key') = 0`,
		clickhouse.Named("key", k.Name), clickhouse.Named("seq", k.Fence<<keyFenceBits|uint64(k.Seq)), clickhouse.Named("state", k.State),
		clickhouse.Named("scope", string(scope)), clickhouse.Named("fence", k.Fence), clickhouse.Named("bits", keyFenceBits))
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok && exception.Code == codeThrown {
		return checkpoints.Lost(scope, "a later run has taken it")
	}
	if err != nil {
		return fmt.Errorf("save the state of a key: %w", err)
	}
	return nil
}
