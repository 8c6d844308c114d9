package functions

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// MaxFileSize bounds what file functions read at once.
const MaxFileSize = 64 << 20

// Files are the files that functions read: each at most once, and all of them
// remembered, so that a saved plan can carry them along. Safe for concurrent use.
type Files struct {
	dir string

	mu        sync.Mutex
	known     map[string][]byte // by the path as written, cleaned; facts by "exists:" and "fileset:"
	templates map[string]*parsedTemplate
}

// NewFiles returns the files of a directory. What snapshot (of an earlier Files)
// holds is taken from there.
func NewFiles(dir string, snapshot map[string][]byte) *Files {
	known := maps.Clone(snapshot)
	if known == nil {
		known = map[string][]byte{}
	}
	return &Files{dir: dir, known: known, templates: map[string]*parsedTemplate{}}
}

// Snapshot returns a copy of all that was read so far.
func (f *Files) Snapshot() map[string][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.known)
}

// locate returns the path for the operating system; ~ is the home directory.
func (f *Files) locate(path string) (string, error) {
	path, err := expandHome(path)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(f.dir, path)
	}
	return path, nil
}

func expandHome(path string) (string, error) {
	if path != "~" && !strings.HasPrefix(path, "~/") {
		if strings.HasPrefix(path, "~") {
			return "", errors.New("only ~ and ~/… of the own user can be expanded")
		}
		return path, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("~ cannot be expanded: %w", err)
	}
	return filepath.Join(home, path[1:]), nil
}

// Read returns the content of a file.
func (f *Files) Read(path string) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.read(path)
}

func (f *Files) read(path string) ([]byte, error) {
	key := filepath.Clean(path)
	if data, ok := f.known[key]; ok {
		return data, nil
	}
	at, err := f.locate(path)
	if err != nil {
		return nil, err
	}
	data, err := ReadFile(at, MaxFileSize)
	if err != nil {
		return nil, err
	}
	f.known[key] = data
	return data, nil
}

// fact remembers the answer to a question about the file system.
func (f *Files) fact(question string, ask func() (string, error)) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if answer, ok := f.known[question]; ok {
		return string(answer), nil
	}
	answer, err := ask()
	if err == nil {
		f.known[question] = []byte(answer)
	}
	return answer, err
}

// ReadFile reads a regular file of at most limit bytes.
func ReadFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("there is no file %s", path)
		}
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a directory", path)
	case !info.Mode().IsRegular() && info.Mode()&fs.ModeNamedPipe == 0:
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	var data bytes.Buffer
	if info.Mode().IsRegular() { // and what ReadFrom wants to see its end
		data.Grow(int(min(info.Size(), limit) + bytes.MinRead))
	}
	_, err = data.ReadFrom(io.LimitReader(file, limit+1))
	if err == nil && int64(data.Len()) > limit {
		err = fmt.Errorf("%s has more than %d bytes", path, limit)
	}
	return data.Bytes(), err
}

func fileFunctions(files *Files) map[string]function.Function {
	table := map[string]function.Function{
		"file": textFunc("path", func(path string) (string, error) {
			data, err := files.Read(path)
			if err != nil {
				return "", err
			}
			if !utf8.Valid(data) {
				return "", errors.New("the file is not UTF-8 text: use filebase64")
			}
			return string(data), nil
		}),
		"filebase64": textFunc("path", func(path string) (string, error) {
			data, err := files.Read(path)
			return base64.StdEncoding.EncodeToString(data), err
		}),
		"fileexists": function.New(&function.Spec{
			Params:       []function.Parameter{param("path", cty.String)},
			Type:         function.StaticReturnType(cty.Bool),
			RefineResult: notNull,
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				answer, err := files.exists(args[0].AsString())
				if err != nil {
					return cty.UnknownVal(cty.Bool), function.NewArgError(0, err)
				}
				return cty.BoolVal(answer == "yes"), nil
			},
		}),
		"fileset":    fileSetFunc(files),
		"abspath":    textFunc("path", filepath.Abs),
		"basename":   textFunc("path", func(p string) (string, error) { return filepath.Base(p), nil }),
		"dirname":    textFunc("path", func(p string) (string, error) { return filepath.Dir(p), nil }),
		"pathexpand": textFunc("path", expandHome),
	}
	for name := range digests {
		table["file"+name] = textFunc("path", func(path string) (string, error) {
			data, err := files.Read(path)
			if err != nil {
				return "", err
			}
			return digest(name, data), nil
		})
	}
	return table
}

func (f *Files) exists(path string) (string, error) {
	return f.fact("exists:"+filepath.Clean(path), func() (string, error) {
		at, err := f.locate(path)
		if err != nil {
			return "", err
		}
		info, err := os.Stat(at)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return "no", nil
		case err != nil:
			return "", err
		case info.IsDir():
			return "", fmt.Errorf("%s is a directory; for its files use fileset", at)
		}
		return "yes", nil
	})
}

func fileSetFunc(files *Files) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{param("directory", cty.String), param("pattern", cty.String)},
		Type:         function.StaticReturnType(cty.Set(cty.String)),
		RefineResult: notNull,
		Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
			names, err := files.glob(args[0].AsString(), args[1].AsString())
			if err != nil {
				return cty.UnknownVal(ty), err
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			vals := make([]cty.Value, len(names))
			for i, n := range names {
				vals[i] = cty.StringVal(n)
			}
			return cty.SetVal(vals), nil
		},
	})
}

// glob lists the files below dir that match, sorted, with slashes.
func (f *Files) glob(dir, pattern string) ([]string, error) {
	answer, err := f.fact("fileset:"+filepath.Clean(dir)+":"+pattern, func() (string, error) {
		re, err := globExpression(pattern)
		if err != nil {
			return "", err
		}
		at, err := f.locate(dir)
		if err != nil {
			return "", err
		}
		var found []string
		err = filepath.WalkDir(at, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			name, err := filepath.Rel(at, path)
			if name = filepath.ToSlash(name); err == nil && re.MatchString(name) {
				found = append(found, name)
			}
			return err
		})
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
		sort.Strings(found)
		return strings.Join(found, "\n"), err
	})
	if answer == "" {
		return nil, err
	}
	return strings.Split(answer, "\n"), err
}

// globExpression is the regular expression of a pattern of paths.
func globExpression(pattern string) (*regexp.Regexp, error) {
	var b strings.Builder
	b.WriteString("^")
	depth := 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			switch {
			case strings.HasPrefix(pattern[i:], "**/"):
				b.WriteString("(?:[^/]+/)*")
				i += 2
			case strings.HasPrefix(pattern[i:], "**"):
				b.WriteString(".*")
				i++
			default:
				b.WriteString("[^/]*")
			}
		case '?':
			b.WriteString("[^/]")
		case '{':
			depth++
			b.WriteString("(?:")
		case '}':
			if depth == 0 {
				return nil, errors.New("the pattern has a } without {")
			}
			depth--
			b.WriteString(")")
		case ',':
			if depth > 0 {
				b.WriteString("|")
			} else {
				b.WriteString(",")
			}
		case '[':
			end := strings.IndexByte(pattern[i:], ']')
			if end < 2 {
				return nil, errors.New("the pattern has a [ without ]")
			}
			class := pattern[i+1 : i+end]
			if class[0] == '!' {
				class = "^" + class[1:]
			}
			b.WriteString("[" + strings.ReplaceAll(class, `\`, `\\`) + "]")
			i += end
		default:
			b.WriteString(regexp.QuoteMeta(string(c)))
		}
	}
	if depth > 0 {
		return nil, errors.New("the pattern has a { without }")
	}
	b.WriteString("$")
	return regexp.Compile(b.String())
}
