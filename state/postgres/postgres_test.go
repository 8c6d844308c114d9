package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/state"
	"github.com/stowage-iac/stowage/state/crashtest"
	"github.com/stowage-iac/stowage/state/postgres"
	"github.com/stowage-iac/stowage/state/statetest"
	"github.com/stowage-iac/stowage/test/servers"
)

func TestPostgres(t *testing.T) {
	server := servers.StartPostgres(t)
	t.Setenv("PGPASSWORD", server.Password)
	connection := func(user, database string) string {
		return fmt.Sprintf("postgres://%s@127.0.0.1:%d/%s?sslmode=disable", user, server.Port, database)
	}
	owner := connection(server.User, "postgres")
	admin := connect(t, owner)
	open := func(connection, name string) state.Backend {
		b, err := postgres.New(postgres.Options{Connection: connection, Name: name, Schema: "stowage"})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	statetest.Run(t, func(t *testing.T) func() state.Backend {
		name := t.Name()
		return func() state.Backend { return open(owner, name) }
	})
	t.Run("killed at every call", func(t *testing.T) {
		crashtest.Run(t, crashtest.Child{Type: "postgres", Arguments: map[string]any{"conn_str": owner, "name": "crash"}})
	})
	t.Run("a lock ends with its connection", func(t *testing.T) {
		s, err := open(owner, "lost").Lock(t.Context(), state.LockInfo{ID: "1", Who: "ann@desk"}, 0)
		if err != nil {
			t.Fatal(err)
		}
		exec(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
		next, err := open(owner, "lost").Lock(t.Context(), state.LockInfo{ID: "2"}, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		defer next.Unlock()
		if err := s.Replace(t.Context(), 0, []byte("{\"format_version\":1,\"lineage\":\"l\",\"serial\":1,\n\"x\":1}\n")); err == nil {
			t.Error("wrote without a lock")
		}
	})
	t.Run("a connection that breaks is made again", func(t *testing.T) {
		b := open(owner, "breaks")
		if _, err := b.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		exec(t, admin, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'stowage'")
		b.Read(t.Context()) // may be told of it
		if _, err := b.Read(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("errors", func(t *testing.T) {
		exec(t, admin, "CREATE ROLE poor LOGIN PASSWORD 'hunter2'")
		exec(t, admin, "REVOKE CREATE ON DATABASE postgres FROM PUBLIC")
		exec(t, admin, "DROP SCHEMA stowage CASCADE")
		for _, test := range []struct{ connection, want string }{
			{connection("nobody", "postgres"), "PGPASSWORD"},
			{connection(server.User, "gone"), "make that database"},
			{connection("poor", "postgres"), "grant the user \"poor\""},
			{"postgres://x@127.0.0.1:1/db", "cannot be reached"},
		} {
			_, err := open(test.connection, "n").Lock(t.Context(), state.LockInfo{ID: "1"}, 0)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", test.connection, err)
			}
		}
	})
}

func connect(t *testing.T, connection string) *pgconn.PgConn {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		conn, err := pgconn.Connect(t.Context(), connection)
		if err == nil {
			t.Cleanup(func() { conn.Close(t.Context()) })
			return conn
		}
		if time.Now().After(deadline) { // "the database system is starting up"
			t.Fatal(err)
		}
		<-time.After(50 * time.Millisecond)
	}
}

func exec(t *testing.T, conn *pgconn.PgConn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatal(err)
	}
}

func TestPasswordsStayOut(t *testing.T) {
	check := postgres.Schema().Attributes["conn_str"].Validate
	for text, ok := range map[string]bool{
		"postgres://app@db/infra":              true,
		"postgresql://app@db:5432/i?x=y:z@q":   true,
		"host=db user=app dbname=infra":        true,
		"postgres://app:hunter2@db/infra":      false,
		"host=db password=hunter2":             false,
		"postgres://app@db/infra?password=abc": false,
	} {
		if err := check(cty.StringVal(text)); (err == nil) != ok {
			t.Errorf("%s: %v", text, err)
		} else if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password is in %v", err)
		}
	}
}
