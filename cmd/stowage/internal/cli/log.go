package cli

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/zclconf/go-cty/cty"
)

// LevelTrace is below debug: every step.
const LevelTrace = slog.LevelDebug - 4

// StartLog directs log/slog by STOWAGE_LOG (trace, debug, info, warn, error;
// default off) to standard error, or to the file STOWAGE_LOG_PATH, which is
// appended to and readable by its owner only. Values of the language are never
// logged with their content.
func StartLog(t *Terminal) error {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	level, on, err := logLevel(t.Getenv("STOWAGE_LOG"))
	if err != nil || !on {
		return err
	}
	var out io.Writer = t.Err
	if path := t.Getenv("STOWAGE_LOG_PATH"); path != "" {
		f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("environment variable STOWAGE_LOG_PATH: %w", err)
		}
		out = f
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: conceal})))
	return nil
}

func logLevel(name string) (slog.Level, bool, error) {
	switch strings.ToLower(name) {
	case "", "off":
		return 0, false, nil
	case "trace":
		return LevelTrace, true, nil
	case "debug":
		return slog.LevelDebug, true, nil
	case "info":
		return slog.LevelInfo, true, nil
	case "warn":
		return slog.LevelWarn, true, nil
	case "error":
		return slog.LevelError, true, nil
	}
	return 0, false, fmt.Errorf("environment variable STOWAGE_LOG is %q; use trace, debug, info, warn, error or off", name)
}

func conceal(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.LevelKey && a.Value.Any() == LevelTrace {
		return slog.String(a.Key, "TRACE")
	}
	if v, ok := a.Value.Any().(cty.Value); ok {
		return slog.String(a.Key, "(value of type "+v.Type().FriendlyName()+")")
	}
	return a
}
