package store

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// fatal is etcd's logger: errors go to slog, and what etcd calls fatal ends the
// process only once the store is open (the node's agent is restarted without
// touching containers); before, it becomes Open's error.
type fatal struct {
	log    *slog.Logger
	opened atomic.Bool
}

func newFatal(log *slog.Logger) *fatal { return &fatal{log: log} }

func (f *fatal) done() { f.opened.Store(true) }

func (f *fatal) logger() *zap.Logger {
	return zap.New(&slogCore{log: f.log}, zap.WithFatalHook(f))
}

// OnWrite follows a message of zap's level fatal.
func (f *fatal) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	if !f.opened.Load() {
		panic(describe(e.Entry, fields))
	}
	os.Exit(1)
}

// slogCore forwards zap's errors to slog.
type slogCore struct {
	log    *slog.Logger
	fields []zapcore.Field
}

func (c *slogCore) Enabled(l zapcore.Level) bool { return l >= zapcore.ErrorLevel }

func (c *slogCore) With(fields []zapcore.Field) zapcore.Core {
	return &slogCore{log: c.log, fields: append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c *slogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *slogCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	c.log.LogAttrs(context.Background(), slog.LevelError, "etcd: "+describe(e, append(c.fields[:len(c.fields):len(c.fields)], fields...)))
	return nil
}

func (c *slogCore) Sync() error { return nil }

// describe puts a message and the error among its fields into one line.
func describe(e zapcore.Entry, fields []zapcore.Field) string {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	if cause, ok := enc.Fields["error"]; ok {
		return fmt.Sprintf("%s: %v", e.Message, cause)
	}
	return e.Message
}
