package markdown

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/renderer/html"
	nethtml "golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/viewtest"
	"github.com/stowage-iac/stowage/planner"
)

var update = flag.Bool("update", false, "write the goldens anew")

func comment(t interface{ Fatal(...any) }, p *planner.Plan) string {
	var b bytes.Buffer
	if err := Plan(&b, viewtest.View().Report(p)); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestComment is the comment of a plan in which everything happens.
func TestComment(t *testing.T) {
	got := comment(t, viewtest.Rich())
	if *update {
		if err := os.WriteFile("testdata/rich.md", []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile("testdata/rich.md")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if strings.Contains(got, viewtest.Secret) {
		t.Error("a sensitive value is shown")
	}
}

// TestNothingToDo is a comment of two lines.
func TestNothingToDo(t *testing.T) {
	want := "### Stowage plan\n\n**No changes. Your infrastructure matches the configuration.**\n"
	if got := comment(t, &planner.Plan{}); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestCommentIsBounded says of a large plan what it leaves out, and shows first
// what destroys.
func TestCommentIsBounded(t *testing.T) {
	p := viewtest.Big(6000)
	p.Changes[2999].Action = planner.Delete
	p.Changes[2999].Before, p.Changes[2999].After = p.Changes[2999].After, p.Changes[2999].Before
	got := comment(t, p)
	if len(got) > Limit || len(got) < Limit/2 {
		t.Errorf("%d bytes", len(got))
	}
	for _, want := range []string{"more changes.\n", "more nodes.\n", "There is no room for the diffs of "} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q:\n%s", want, got)
		}
	}
	first := strings.Index(got, "<summary>")
	if want := "<summary><code>&#45;</code> "; !strings.HasPrefix(got[first:], want) {
		t.Errorf("the first diff is %s", got[first:first+100])
	}
	render(t, got)
}

// TestLongValues: one resource does not take the room of all.
func TestLongValues(t *testing.T) {
	p := viewtest.Hostile(strings.Repeat("long line\n", 20_000))
	got := comment(t, p)
	if len(got) > Limit {
		t.Errorf("%d bytes", len(got))
	}
	render(t, got)
}

// breakers are what ends cells, blocks and comments, and what becomes markup.
var breakers = []string{
	"`", "```", "````diff", "~~~", "|", "\\|", "\n", "\n\n", "\r\n", "</details>", "</summary>", "</code>", "<script>alert(1)</script>",
	"<img src=x onerror=alert(1)>", "<!--", "-->", "@everyone", "#1", "![x](http://evil)", "[x](javascript:alert(1))", "http://evil.example", "www.evil.example",
	"&lt;", "&#60;script&#62;", "# h", "- x", "1. x", "> q", "***", "__x__", "$x$", "\u202eabc", "\u0000", "\x1b[31m", "é", "日本", "    code", "\t", "---", "===", ":smile:",
	"{{.}}", "<![CDATA[", "]]>", "<?php", "a@b.example", "\\", "\"'",
}

func hostile(t *rapid.T) string {
	parts := rapid.SliceOfN(rapid.OneOf(rapid.SampledFrom(breakers), rapid.String()), 1, 6).Draw(t, "parts")
	return strings.Join(parts, "")
}

// TestNothingBreaksOut renders comments of hostile plans as a forge does, and
// looks at what became of them.
func TestNothingBreaksOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := comment(t, viewtest.Hostile(hostile(t)))
		if len(got) > Limit {
			t.Fatalf("%d bytes", len(got))
		}
		render(t, got)
	})
}

// FuzzComment is the same for bytes of any kind.
func FuzzComment(f *testing.F) {
	for _, s := range breakers {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) { render(t, comment(t, viewtest.Hostile(s))) })
}

// allowed are the elements that a comment consists of.
var allowed = []string{"html", "head", "body", "h3", "p", "strong", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "details", "summary", "blockquote", "br", "ul", "li", "hr"}

var trigger = regexp.MustCompile(`@[\w-]|#[0-9]`)

// render makes HTML of a comment, as GitHub does (with its extensions, and HTML in
// it), and fails when there is an element that the layout does not have, or text
// outside of code that notifies or links.
func render(t interface{ Fatalf(string, ...any) }, comment string) {
	md := goldmark.New(goldmark.WithExtensions(extension.GFM), goldmark.WithRendererOptions(html.WithUnsafe()))
	var b bytes.Buffer
	if err := md.Convert([]byte(comment), &b); err != nil {
		t.Fatalf("%v", err)
	}
	doc, err := nethtml.Parse(&b)
	if err != nil {
		t.Fatalf("%v", err)
	}
	counts := map[string]int{}
	var visit func(n *nethtml.Node, inCode bool)
	visit = func(n *nethtml.Node, inCode bool) {
		switch n.Type {
		case nethtml.ElementNode:
			counts[n.Data]++
			if !slices.Contains(allowed, n.Data) {
				t.Fatalf("there is an element <%s>:\n%s", n.Data, comment)
			}
			for _, a := range n.Attr {
				if a.Key != "class" || a.Val != "language-diff" {
					t.Fatalf("<%s> has %s=%q:\n%s", n.Data, a.Key, a.Val, comment)
				}
			}
			if n.Data == "tr" {
				cells := 0
				for c := n.FirstChild; c != nil; c = c.NextSibling {
					if c.Type == nethtml.ElementNode {
						cells++
					}
				}
				if cells != 4 && cells != 6 {
					t.Fatalf("a row of %d cells:\n%s", cells, comment)
				}
			}
			inCode = inCode || n.Data == "code" || n.Data == "pre"
		case nethtml.TextNode:
			if m := trigger.FindString(n.Data); m != "" && !inCode {
				t.Fatalf("there is %q outside of code in %q:\n%s", m, n.Data, comment)
			}
			if strings.Contains(n.Data, viewtest.Secret) {
				t.Fatalf("a sensitive value is shown: %q", n.Data)
			}
		case nethtml.CommentNode:
			t.Fatalf("there is an HTML comment %q:\n%s", n.Data, comment)
		}
		for c := n.FirstChild; c != nil; c = c.NextSibling {
			visit(c, inCode)
		}
	}
	visit(doc, false)
	if counts["details"] != strings.Count(comment, "\n<details><summary>") || counts["table"] != strings.Count(comment, "\n| --- |") {
		t.Fatalf("%d details, %d tables: %s", counts["details"], counts["table"], fmt.Sprint(counts)+"\n"+comment)
	}
}
