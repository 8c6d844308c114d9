// Package postgres keeps a state in a table of a PostgreSQL database (11 or newer).
package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/stowage-iac/stowage/state/keyed"
)

const (
	// limit of one value; larger snapshots are in pieces.
	limit = 16 << 20
	// callTimeout bounds one statement.
	callTimeout    = 2 * time.Minute
	connectTimeout = 15 * time.Second
)

// Options say where the state is.
type Options struct {
	Connection string // a URL or libpq string; what it lacks comes from PGHOST, PGPASSWORD …
	Name       string // of the state
	Schema     string // of the table
}

// New makes a backend; nothing is dialled yet.
func New(o Options) (*keyed.Backend, error) {
	config, err := pgconn.ParseConfig(o.Connection)
	if err != nil {
		// The parser's message leaves the password out.
		return nil, fmt.Errorf("backend \"postgres\": conn_str, or PGHOST and the like: %w", err)
	}
	config.RuntimeParams["application_name"] = "stowage"
	config.ConnectTimeout = connectTimeout
	s := &store{o: o, config: config, table: o.Schema + ".objects",
		where: fmt.Sprintf("the database %q at %s:%d", config.Database, config.Host, config.Port)}
	location := fmt.Sprintf("%s in %s", o.Name, s.where)
	return keyed.New(s, keyed.Options{
		Location: location, Previous: location + " (stowage state history lists them)", Limit: limit,
		Stale: "its lock ends when the database notices, within a minute",
	}), nil
}

// store is the rows of one state.
type store struct {
	o      Options
	config *pgconn.Config
	table  string
	where  string

	mu   sync.Mutex
	conn *pgconn.PgConn
}

var _ keyed.Store = (*store)(nil)

// param is a parameter of a statement; data is sent as it is, everything else as text.
type param struct {
	text string
	data []byte
}

func text(s string) param { return param{text: s} }

// exec runs one statement on conn; the last column of its rows is binary if it has three.
func exec(ctx context.Context, conn *pgconn.PgConn, sql string, params ...param) ([][][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	values, formats := make([][]byte, len(params)), make([]int16, len(params))
	for n, p := range params {
		values[n] = []byte(p.text)
		if p.data != nil {
			values[n], formats[n] = p.data, 1
		}
	}
	var results []int16
	if strings.HasPrefix(sql, "SELECT key, revision, data") {
		results = []int16{0, 0, 1}
	}
	r := conn.ExecParams(ctx, sql, values, nil, formats, results).Read()
	return r.Rows, r.Err
}

// query runs one statement on the connection for data, made at the first need
// and again after it broke.
func (s *store) query(ctx context.Context, sql string, params ...param) ([][][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil || s.conn.IsClosed() {
		conn, err := s.connect(ctx)
		if err != nil {
			return nil, err
		}
		s.conn = conn
	}
	rows, err := exec(ctx, s.conn, sql, params...)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	return rows, nil
}

func (s *store) connect(ctx context.Context) (*pgconn.PgConn, error) {
	conn, err := pgconn.ConnectConfig(ctx, s.config)
	if err != nil {
		return nil, s.explain(ctx, err)
	}
	return conn, nil
}

// Close ends the connection.
func (s *store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return s.conn.Close(ctx)
}

// errNoTable: nothing was ever written with this schema.
var errNoTable = errors.New("there is no table")

// explain says what an error means and what to do.
func (s *store) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return fmt.Errorf("%s cannot be reached: check conn_str (or PGHOST, PGPORT) and the network (%w)", s.where, err)
	}
	advice := ""
	switch {
	case pg.Code == "42P01" || pg.Code == "3F000":
		return errNoTable
	case strings.HasPrefix(pg.Code, "28"):
		advice = fmt.Sprintf(": check the user %q, PGPASSWORD or ~/.pgpass, and the server's pg_hba.conf", s.config.User)
	case pg.Code == "3D000":
		advice = ": make that database, or correct conn_str"
	case pg.Code == "42501":
		advice = fmt.Sprintf(": grant the user %q CREATE on the database, or all on the schema %s and its table", s.config.User, s.o.Schema)
	case strings.HasPrefix(pg.Code, "53"):
		advice = ": the server is out of connections, memory or disk"
	case strings.HasPrefix(pg.Code, "57P"):
		advice = ": the server ended the connection; try again"
	}
	return fmt.Errorf("%s%s (%s, SQLSTATE %s)", s.where, advice, pg.Message, pg.Code)
}

// prepare makes schema and table, one process at a time.
func (s *store) prepare(ctx context.Context) error {
	if _, err := s.query(ctx, "SELECT 1 FROM "+s.table+" LIMIT 0"); !errors.Is(err, errNoTable) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	within, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := s.conn.Exec(within, fmt.Sprintf(`BEGIN;
SELECT pg_advisory_xact_lock(hashtextextended('stowage schema', 0));
CREATE SCHEMA IF NOT EXISTS %[1]s;
CREATE SEQUENCE IF NOT EXISTS %[1]s.revisions;
CREATE TABLE IF NOT EXISTS %[2]s (
  state    text   NOT NULL,
  key      text   NOT NULL,
  revision bigint NOT NULL DEFAULT nextval('%[1]s.revisions'),
  data     bytea  NOT NULL,
  PRIMARY KEY (state, key)
);
COMMIT`, s.o.Schema, s.table)).ReadAll()
	if err != nil {
		s.conn.Close(context.WithoutCancel(ctx)) // and with it the transaction
		return s.explain(ctx, err)
	}
	return nil
}

// Get reads one row.
func (s *store) Get(ctx context.Context, key string) (keyed.Object, error) {
	all, err := s.rows(ctx, "key = $2", key)
	if err == nil && len(all) == 0 {
		err = keyed.ErrAbsent
	}
	if err != nil {
		return keyed.Object{}, err
	}
	return all[0], nil
}

// All reads the rows below a prefix, of one moment.
func (s *store) All(ctx context.Context, prefix string) ([]keyed.Object, error) {
	return s.rows(ctx, "starts_with(key, $2)", prefix)
}

func (s *store) rows(ctx context.Context, where, key string) (all []keyed.Object, err error) {
	rows, err := s.query(ctx, "SELECT key, revision, data FROM "+s.table+" WHERE state = $1 AND "+where+` ORDER BY key COLLATE "C"`, text(s.o.Name), text(key))
	if errors.Is(err, errNoTable) {
		return nil, nil
	}
	for _, r := range rows {
		all = append(all, keyed.Object{Key: string(r[0]), Revision: string(r[1]), Data: r[2]})
	}
	return all, err
}

// Keys lists the keys below a prefix.
func (s *store) Keys(ctx context.Context, prefix string) (keys []string, err error) {
	rows, err := s.query(ctx, "SELECT key FROM "+s.table+" WHERE state = $1 AND starts_with(key, $2) ORDER BY key COLLATE \"C\"", text(s.o.Name), text(prefix))
	for _, r := range rows {
		keys = append(keys, string(r[0]))
	}
	return keys, err
}

// Put writes a row, if it is as expected. It is on the server's disk when Put
// returns, whatever the database's setting is.
func (s *store) Put(ctx context.Context, key string, data []byte, revision string) (string, error) {
	sql := "INSERT INTO " + s.table + " (state, key, data) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING revision"
	params := []param{text(s.o.Name), text(key), {data: data}}
	if revision != "" {
		sql = "UPDATE " + s.table + " SET data = $3, revision = DEFAULT WHERE state = $1 AND key = $2 AND revision = $4 RETURNING revision"
		params = append(params, text(revision))
	}
	rows, err := s.query(ctx, sql, params...)
	if err != nil {
		return "", err
	}
	if len(rows) == 0 {
		return "", keyed.ErrChanged
	}
	return string(rows[0][0]), nil
}

// Delete removes rows.
func (s *store) Delete(ctx context.Context, keys []string) error {
	quoted := make([]string, len(keys))
	for n, key := range keys {
		quoted[n] = strconv.Quote(key)
	}
	_, err := s.query(ctx, "DELETE FROM "+s.table+" WHERE state = $1 AND key = ANY($2::text[])", text(s.o.Name), text("{"+strings.Join(quoted, ",")+"}"))
	return err
}
