package postgres

import (
	"fmt"
	"regexp"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang/schema"
	"github.com/stowage-iac/stowage/state"
)

// Schema describes the arguments of backend "postgres".
func Schema() *schema.Block {
	return &schema.Block{
		Doc: "Keeps the state in a table of a PostgreSQL database. The lock is an advisory lock: it ends with its holder's connection.",
		Attributes: map[string]*schema.Attribute{
			"conn_str": {Type: cty.String, Optional: true, Validate: func(v cty.Value) error { return checkConnection(v.AsString()) },
				Doc: "A connection URL or libpq string without the password, e.g. \"postgres://app@db.example.com/infra\"; default PG_CONN_STR, else PGHOST, PGDATABASE … The password comes from PGPASSWORD or ~/.pgpass."},
			"name": {Type: cty.String, Required: true,
				Doc: "The state's name in the database; each state needs its own, e.g. \"web/${context.name}\"."},
			"schema_name": {Type: cty.String, Optional: true, Default: cty.StringVal("stowage"), Validate: checkSchema,
				Doc: "The schema of the table; it is made when it is not there."},
		},
	}
}

var identifier = regexp.MustCompile(`^[a-z_][a-z0-9_]{0,62}$`)

func checkSchema(v cty.Value) error {
	if !identifier.MatchString(v.AsString()) {
		return fmt.Errorf("a schema's name has lower-case letters, digits and _, and begins with a letter; %q does not", v.AsString())
	}
	return nil
}

// password finds one in both forms of a connection string.
var password = regexp.MustCompile(`(?i)^postgres(ql)?://[^/@]*:[^/@]*@|\bpassword\s*=`)

func checkConnection(text string) error {
	if password.MatchString(text) {
		return fmt.Errorf("it holds a password, which everybody who reads the configuration could read; set the environment variable PGPASSWORD instead")
	}
	if _, err := pgconn.ParseConfig(text); err != nil {
		return fmt.Errorf("it is not a connection string like \"postgres://app@db.example.com/infra\"")
	}
	return nil
}

// Open makes a backend of the arguments that Schema describes.
func Open(arguments cty.Value, env state.Env) (state.Backend, error) {
	o := Options{Name: arguments.GetAttr("name").AsString(), Schema: arguments.GetAttr("schema_name").AsString()}
	if v := arguments.GetAttr("conn_str"); !v.IsNull() {
		o.Connection = v.AsString()
	} else {
		o.Connection = env.Getenv("PG_CONN_STR")
	}
	return New(o)
}
