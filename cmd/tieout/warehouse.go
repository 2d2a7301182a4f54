package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"tieout/checkpoints/tables"
	"tieout/load/clickhouse"
	"tieout/load/embedded"
	"tieout/schema"
)

// warehouse is the configured ClickHouse with what we keep in it.
type warehouse struct {
	*clickhouse.Connection
	target  clickhouse.Target
	cluster string        // that is configured; empty: none
	layout  schema.Layout // what kind of ClickHouse it is; a single server where nothing is written
}

// purpose says what a ClickHouse is opened for.
type purpose int

// The purposes.
const (
	forWork    purpose = iota // our own statements, to be sent as the kind of ClickHouse needs
	forPerson                 // a person's statements, in the target's database, sent as they are
	forReading                // our own statements that only read, sent so that who may only read can send them
	forReview                 // the SQL for a cluster is to be shown, also where there is none
)

// open connects to the configured ClickHouse and finds out of which kind it is.
func (a *app) open(ctx context.Context, config Config, why purpose) (*warehouse, error) {
	target, err := clickhouse.ParseDSN(config.ClickHouseDSN.Reveal())
	if err != nil {
		return nil, err
	}
	library := cmp.Or(config.Library, embedded.DefaultLibrary())
	options := clickhouse.Options{
		Version:         version,
		DefaultDatabase: why == forPerson,
		Embedded: func(path string) (http.RoundTripper, io.Closer, error) {
			engine, err := embedded.OpenWithin(library, path, config.EmbeddedMemory)
			if err != nil {
				return nil, nil, err
			}
			return engine.Transport(), engine, nil
		},
	}
	connection, err := connect(ctx, target, options)
	if err != nil {
		return nil, err
	}
	w := &warehouse{Connection: connection, target: target, cluster: config.Cluster}
	if why == forPerson || why == forReading {
		return w, nil
	}
	if w.layout, err = a.detect(ctx, w, why); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if options.Layout = w.layout; len(w.layout.Settings()) == 0 || why == forReview {
		return w, nil
	}
	// The settings of a connection are given when it is opened.
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("open ClickHouse once more for %s: %w", w.layout, err)
	}
	w.Connection, err = connect(ctx, target, options)
	return w, err
}

// connect opens a connection; another one in tests, which kill the program at its statements.
var connect = clickhouse.Open

// detect finds out of which kind the ClickHouse is. For a review the configured cluster need not be there.
func (a *app) detect(ctx context.Context, w *warehouse, why purpose) (schema.Layout, error) {
	cluster := w.cluster
	if !w.target.Embedded() {
		layout, err := schema.DetectLayout(ctx, w, w.target.Database, cluster)
		if err == nil || why != forReview || cluster == "" || schema.ClassOf(err) != schema.ClassConfiguration {
			return layout, err
		}
		fmt.Fprintln(a.stderr, "warning: this is the SQL for cluster", cluster, "all the same:", err)
		return schema.Layout{Cluster: cluster}, nil
	}
	if cluster == "" || why == forReview {
		return schema.Layout{Cluster: cluster}, nil
	}
	return schema.Layout{}, &schema.Error{
		Class: schema.ClassConfiguration, Err: fmt.Errorf("%s names cluster %s, and ClickHouse inside this process is no node of any", variableClickHouseCluster, cluster),
		Hint: "unset it, or name a node of the cluster in " + variableClickHouseDSN,
	}
}

// migrate brings the schema up to date and says so if there was something to do.
func (a *app) migrate(ctx context.Context, w *warehouse) error {
	applied, err := schema.Migrate(ctx, w, w.target.Database, w.layout)
	if err != nil {
		return err
	}
	for _, migration := range applied {
		a.log.Info("applied a migration", "migration", migration.Name, "database", w.target.Database)
	}
	return nil
}

// verify looks whether the schema is there, also where nobody has asked yet of which kind the ClickHouse is.
func (a *app) verify(ctx context.Context, w *warehouse) error {
	layout, err := a.detect(ctx, w, forWork)
	if err != nil {
		return err
	}
	return schema.Verify(ctx, w, w.target.Database, layout)
}

func (w *warehouse) destination() *clickhouse.Destination {
	return clickhouse.NewDestination(w.Connection, w.target.Database)
}

func (w *warehouse) ledger() *tables.Store { return tables.NewStore(w.Connection, w.target.Database) }
