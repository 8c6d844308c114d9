package html

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	nethtml "golang.org/x/net/html"
	"pgregory.net/rapid"

	"github.com/stowage-iac/stowage/cmd/stowage/internal/view/viewtest"
	"github.com/stowage-iac/stowage/planner"
)

func write(t interface{ Fatal(...any) }, p *planner.Plan) string {
	var b bytes.Buffer
	if err := Plan(&b, viewtest.View(), p); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEverythingIsInThePage looks for each part of a plan in which everything happens.
func TestEverythingIsInThePage(t *testing.T) {
	got := write(t, viewtest.Rich())
	for _, want := range []string{
		`<span class="context">prod</span>`, "Plan: 3 to add, 3 to change, 3 to destroy.",
		"The apply that ann@laptop began", "No copy elsewhere", "<code>check.page</code> (known after apply)", "<code>check.spread</code> failed: All replicas are on a.", "<code>config.site</code> files changed", "replica 0 restarted: out of memory",
		`id="c9" data-action="update"`, "because container.httpd.image and replicas changed",
		`href="#c9"`, "send to d", `aria-label="Node d"`, "→ pod.web 2", "← pod.web 2", "− pod.old 0", "CPU requested: 63% of 4",
		"2.1 MB of 22.7 MB", "(known after apply)", "(sensitive value)",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	if strings.Contains(got, viewtest.Secret) {
		t.Error("a sensitive value is in the page")
	}
	if again := write(t, viewtest.Rich()); again != got {
		t.Error("the same plan gives another page")
	}
}

// TestNothingToDo is a page with no changes, graph or placement.
func TestNothingToDo(t *testing.T) {
	got := write(t, &planner.Plan{})
	if !strings.Contains(got, "No changes. Your infrastructure matches the configuration.") || strings.Contains(got, "<section") {
		t.Errorf("the page is\n%s", got)
	}
}

// TestPageIsBounded: the page of twelve thousand changes holds ten thousand,
// those of one block together, and says what it leaves out.
func TestPageIsBounded(t *testing.T) {
	got := write(t, viewtest.Big(12_000))
	t.Logf("%d bytes", len(got))
	if len(got) > 8_000_000 || strings.Count(got, `class="entry `) != 10_000 || strings.Count(got, `class="group `) != 99 {
		t.Errorf("%d bytes, %d entries, %d groups", len(got), strings.Count(got, `class="entry `), strings.Count(got, `class="group `))
	}
	for _, want := range []string{"Not listed here: 2120 to create.", "There is no room for this diff", "20 more nodes"} {
		if !strings.Contains(got, want) {
			t.Errorf("it does not say %q", want)
		}
	}
	if n := strings.Count(got, `class="box"`); n == 0 || n > maxDrawn {
		t.Errorf("%d steps are drawn", n)
	}
}

// allowed are the elements that the layout has, with the attributes that others' text may be in.
var allowed = strings.Fields(`html head meta title style body a header div svg rect path h1 h2 h3 h4 span button p ul li b nav main section pre code form input output
	details summary text g circle ol article small table thead tbody tr th td script`)

// TestNothingBreaksOut parses pages of hostile plans.
func TestNothingBreaksOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(rapid.SliceOfN(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{
			"<script>alert(1)</script>", "</script>", "</style>", "<!--", "-->", "\"", "'", "' onload='x", "\" onclick=\"x", "</pre>", "</textarea>", "]]>",
			"javascript:alert(1)", "&lt;", "&#x3c;", "</title>", "<svg/onload=x>", "\u0000", "\u2028", "{{.}}", "\\u003c", "<base href=//x>", "</template>",
		})), 1, 5).Draw(t, "text"), "")
		check(t, write(t, viewtest.Hostile(text)))
	})
}

// check fails when there is an element or an attribute that the layout does not
// have, a link that leads out of the page, or a script that is not the page's own.
func check(t interface{ Fatalf(string, ...any) }, text string) {
	doc, err := nethtml.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%v", err)
	}
	scripts, styles := 0, 0
	for n := range doc.Descendants() {
		switch n.Type {
		case nethtml.CommentNode:
			t.Fatalf("there is a comment %q", n.Data)
		case nethtml.TextNode:
			if strings.Contains(n.Data, viewtest.Secret) {
				t.Fatalf("a sensitive value is shown: %q", n.Data)
			}
		case nethtml.ElementNode:
			if !slices.Contains(allowed, n.Data) {
				t.Fatalf("there is an element <%s>", n.Data)
			}
			for _, a := range n.Attr {
				switch {
				case strings.HasPrefix(a.Key, "on"), a.Key == "style", a.Key == "src", a.Key == "srcset":
					t.Fatalf("<%s> has %s=%q", n.Data, a.Key, a.Val)
				case a.Key == "href" && !strings.HasPrefix(a.Val, "#"):
					t.Fatalf("there is a link to %q", a.Val)
				}
			}
			switch n.Data {
			case "script":
				scripts++
				if n.FirstChild.Data != scriptText {
					t.Fatalf("there is another script: %q", n.FirstChild.Data)
				}
			case "style":
				styles++
			}
		}
	}
	if scripts != 1 || styles != 1 {
		t.Fatalf("%d scripts, %d styles", scripts, styles)
	}
}

// TestPageReachesNothing: there is no address in the page but those of XML's names.
func TestPageReachesNothing(t *testing.T) {
	got := strings.ReplaceAll(write(t, viewtest.Rich()), "http://www.w3.org/2000/svg", "")
	got = strings.ReplaceAll(got, "http://10.0.0.11/", "") // an output's value
	got = strings.ReplaceAll(got, "postgres://db", "")
	for _, scheme := range []string{"://", "url(", "@import", "@font-face"} {
		if strings.Contains(got, scheme) {
			t.Errorf("the page has %s", scheme)
		}
	}
	check(t, write(t, viewtest.Rich()))
}

func BenchmarkPage(b *testing.B) {
	p := viewtest.Big(10_000)
	for b.Loop() {
		write(b, p)
	}
}
