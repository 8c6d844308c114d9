// Package browser_test opens the page of a plan in a headless Chromium, and uses
// it as a person does: with a pointer, with the keyboard only, without JavaScript,
// on a narrow screen, in the dark.
package browser_test

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

var pages string // the directory of the pages

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "pages")
	if err != nil {
		panic(err)
	}
	out, err := exec.Command("go", "run", "../../cmd/stowage/internal/view/viewtest/pages", dir).CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "making the pages: %v\n%s", err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	pages = dir
	// A browser that is killed leaves the directory of its socket behind.
	os.Setenv("TMPDIR", dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// tab is an open page.
type tab struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	problems []string // what the console says
	requests []string // what the page asked for beside itself
}

// open starts a browser with a profile of its own and opens a page in it. before
// is done to the tab that is still empty.
func open(t *testing.T, name string, before ...chromedp.Action[chromedp.Void]) *tab {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("there is no chromium: bash test/deps.sh installs it (%v)", err)
	}
	allocator, cancel := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU,
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(patience), chromedp.WindowSize(1280, 900))
	t.Cleanup(cancel)
	b := &tab{t: t}
	address := (&url.URL{Scheme: "file", Path: filepath.Join(pages, name+".html")}).String()
	ctx, cancel := chromedp.NewContext(allocator, chromedp.WithListener(func(e any) { b.hear(e, address) }))
	t.Cleanup(cancel)
	b.ctx = ctx
	b.run(command(network.Enable, network.EnableParams{}), command(log.Enable, cdp.Empty{}))
	b.run(before...)
	b.run(chromedp.Navigate(address))
	return b
}

// patience is how long something may take on a busy machine before it counts as never.
const patience = time.Minute

// command is a command of the browser's protocol whose answer nobody needs.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, c, params)
		return err
	})
}

func (b *tab) hear(e any, address string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := e.(type) {
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	case *runtime.EventConsoleAPICalled:
		b.problems = append(b.problems, fmt.Sprint(e.Type, e.Args))
	case *log.EventEntryAdded:
		b.problems = append(b.problems, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		if e.Request.URL != address {
			b.requests = append(b.requests, e.Request.URL)
		}
	}
}

func (b *tab) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval is the value of an expression in the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// is demands that an expression becomes true: what the page does after an event
// may take a moment.
func (b *tab) is(expression string) {
	b.t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for late := time.After(patience); !eval[bool](b, expression); {
		select {
		case <-again.C:
		case <-late:
			b.t.Fatalf("it never was true that %s\nshown are: %s", expression, eval[string](b, shown))
		}
	}
}

// quiet demands that nothing went wrong and nothing was asked for.
func (b *tab) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.problems) > 0 {
		b.t.Errorf("the console says %q", b.problems)
	}
	if len(b.requests) > 0 {
		b.t.Errorf("the page asks for %q", b.requests)
	}
}

const shown = `Array.from(document.querySelectorAll('.entry:not([hidden])')).map(e => e.querySelector('code').textContent).join(' ')`

// TestPage uses the page of a plan in which everything happens.
func TestPage(t *testing.T) {
	b := open(t, "rich")

	// The graph: each step stands right of what it waits for.
	if n := eval[int](b, `document.querySelectorAll('#graph svg g.node').length`); n != 12 {
		t.Errorf("%d steps are drawn, not 12", n)
	}
	b.is(`Array.from(document.querySelectorAll('path.edge')).length > 10 && Array.from(document.querySelectorAll('path.edge')).every(e => {
		const x = n => document.querySelector('[data-node="' + n + '"] .box').getBoundingClientRect();
		return x(e.dataset.from).right < x(e.dataset.to).left; })`)

	// The placement: what moves is marked on both nodes.
	b.is(`document.querySelectorAll('.card').length === 4`)
	b.is(`document.querySelector('[aria-label="Node d"] .side:last-child .chip.moves').textContent === '→ pod.web 2'`)
	b.is(`document.querySelector('[aria-label="Node c"] .side:first-child .chip.goes').textContent === '← pod.web 2'`)
	b.is(`(r => r.width > 0 && r.width < 0.8 * r.parent)((e => ({width: e.getBoundingClientRect().width, parent: e.parentElement.getBoundingClientRect().width}))(document.querySelector('[aria-label="Node a"] .side:last-child .taken')))`)

	// The filter, with the keyboard only.
	b.run(command(input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: input.DispatchKeyEventTypeRawKeyDown, Key: "/"}))
	b.is(`document.activeElement.id === 'search'`)
	b.run(chromedp.KeyEvent("POD httpd"))
	b.is(shown + ` === 'pod.web'`)
	b.is(`document.getElementById('found').textContent === '1 of 8 shown'`)
	b.run(chromedp.KeyEvent(kb.Escape))
	b.is(shown + `.split(' ').length === 8`)

	// The filter by action.
	b.run(chromedp.Click(chromedp.CSS(`#tools [data-action=update]`)))
	b.is(shown + ` === 'image.web node.c node.d pod.api pod.old'`)
	b.is(`document.querySelector('#tools [data-action=update]').getAttribute('aria-pressed') === 'false'`)
	b.run(chromedp.Click(chromedp.CSS(`#tools [data-action=update]`)))
	b.is(shown + `.split(' ').length === 8`)

	// Folding: one, all, none.
	b.run(chromedp.Click(chromedp.CSS(`#c10 summary`)))
	b.is(`document.querySelector('#c10 pre').getBoundingClientRect().height > 20 && document.querySelector('#c10 pre').textContent.includes('(sensitive value)')`)
	b.run(chromedp.Click(chromedp.CSS(`#unfold`)))
	b.is(`document.querySelectorAll('.entry[open]').length === 8`)
	b.run(chromedp.Click(chromedp.CSS(`#fold`)))
	b.is(`document.querySelectorAll('.entry[open]').length === 0`)

	// A step leads to its change, even to one that is filtered away.
	b.run(chromedp.Click(chromedp.CSS(`#tools [data-action=update]`)), chromedp.Click(chromedp.CSS(`a[href="#c9"]`)))
	b.is(`location.hash === '#c9' && document.getElementById('c9').open && !document.getElementById('c9').hidden`)

	// A step with the focus shows what is connected with it.
	b.run(chromedp.Focus(chromedp.CSS(`a[href="#c9"]`)))
	b.is(`document.querySelectorAll('path.edge.near').length >= 4 && document.querySelectorAll('path.edge.far').length > 0`)

	// The other theme.
	light := eval[string](b, `getComputedStyle(document.body).backgroundColor`)
	b.run(chromedp.Click(chromedp.CSS(`#theme`)))
	b.is(`getComputedStyle(document.body).backgroundColor !== '` + light + `'`)
	b.quiet()
}

// contrast is the least contrast of text with what is behind it, and which text has it.
const contrast = `(() => {
	const rgb = c => c.match(/[\d.]+/g).map(Number);
	const lum = c => { const [r, g, b] = rgb(c).map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4)); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const behind = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (rgb(c).length === 3 || rgb(c)[3] > 0.99) return c; } return 'rgb(255, 255, 255)'; };
	let least = [99, ''];
	document.querySelectorAll('details').forEach(d => { d.open = true; });
	document.querySelectorAll('main *, header *').forEach(e => {
		if (e.closest('svg') || !Array.from(e.childNodes).some(n => n.nodeType === 3 && n.textContent.trim()) || !e.getClientRects().length) return;
		const a = lum(getComputedStyle(e).color), b = lum(behind(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
		if (ratio < least[0]) least = [ratio, e.className + ': ' + e.textContent.slice(0, 40)];
	});
	return least[0] >= 4.5 ? '' : least.join(' ');
})()`

// TestAccessible: names, contrast in both themes, no sideways scrolling on a phone.
func TestAccessible(t *testing.T) {
	for _, theme := range []string{"light", "dark"} {
		t.Run(theme, func(t *testing.T) {
			b := open(t, "rich", command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: theme}}}))
			if bad := eval[string](b, contrast); bad != "" {
				t.Errorf("too little contrast: %s", bad)
			}
			b.run(chromedp.EmulateViewport(360, 740))
			b.is(`document.documentElement.scrollWidth <= innerWidth`)
			b.is(`document.documentElement.lang === 'en' && document.querySelectorAll('h1').length === 1`)
			b.is(`Array.from(document.querySelectorAll('button, input, a, [role=region], section')).every(e => e.textContent.trim() || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby'))`)
			b.is(`document.querySelector('#graph svg').getAttribute('role') === 'img' && document.querySelector('#graph svg').getAttribute('aria-label') !== ''`)
			b.quiet()
		})
	}
}

// TestWithoutJavaScript reads everything all the same.
func TestWithoutJavaScript(t *testing.T) {
	b := open(t, "rich", command(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	b.run(chromedp.Click(chromedp.CSS(`#c9 summary`)))
	text := func(selector string) string {
		v, err := chromedp.Run(b.ctx, chromedp.Text(chromedp.CSS(selector)))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	diff, visible := text(`#c9 pre`), text(`main`)
	if !strings.Contains(diff, `replicas  = 3 -> 5`) {
		t.Errorf("the difference is %q", diff)
	}
	for _, want := range []string{"Changed outside of Stowage", "Order of steps", "→ pod.web 2", "2.1 MB of 22.7 MB"} {
		if !strings.Contains(visible, want) {
			t.Errorf("there is no %q to read", want)
		}
	}
	if strings.Contains(visible, "Unfold all") {
		t.Error("tools are offered that do nothing")
	}
	b.quiet()
}

// TestTenThousandChanges opens, unfolds and filters a large plan.
func TestTenThousandChanges(t *testing.T) {
	start := time.Now()
	b := open(t, "big")
	b.is(`document.querySelectorAll('.entry').length === 10000`)
	t.Logf("open after %v", time.Since(start).Round(time.Millisecond))
	b.is(`document.querySelectorAll('#graph svg g.node').length > 0 && document.querySelectorAll('#graph svg g.node').length <= 240`)
	b.run(chromedp.Focus(chromedp.CSS(`#search`)), chromedp.KeyEvent(`site42[77]`))
	b.is(shown + ` === 'config.site42[77]'`)
	b.is(`document.querySelector('.entry:not([hidden])').closest('.group').open`)
	b.run(chromedp.KeyEvent(kb.Escape))
	b.is(shown + `.split(' ').length === 10000`)
	t.Logf("filtered after %v", time.Since(start).Round(time.Millisecond))
	b.quiet()
}

// TestHostilePlan: whatever a plan says, the page does nothing of it, and its
// policy would forbid it.
func TestHostilePlan(t *testing.T) {
	b := open(t, "hostile")
	b.run(chromedp.Click(chromedp.CSS(`#unfold`)))
	b.is(`document.querySelectorAll('.entry[open]').length === 2`)
	b.is(`window.broken === undefined && document.querySelectorAll('img').length === 0`)
	b.is(`document.querySelector('main').textContent.includes('<img src=x')`)
	b.quiet()
	eval[bool](b, `(() => {
		const s = document.createElement('script'); s.textContent = 'window.broken = 1'; document.body.append(s);
		const i = document.createElement('img'); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i); return true; })()`)
	b.is(`window.broken === undefined`)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.problems) < 1 || !strings.Contains(strings.Join(b.problems, " "), "Content Security Policy") {
		t.Errorf("the policy did not forbid a script: %q", b.problems)
	}
}

// TestNothingToDo is a page without changes.
func TestNothingToDo(t *testing.T) {
	b := open(t, "empty")
	b.is(`document.querySelector('.headline').textContent.startsWith('No changes.') && document.querySelectorAll('section').length === 0`)
	b.quiet()
}
