package cli

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

// Interrupts turns signals into two contexts. soft ends with the first SIGINT or
// SIGTERM: running steps finish and nothing new starts. hard ends with the
// second: everything stops as soon as it can, and after grace the process ends,
// whatever it does, with exit code Interrupted. tell is called at the first and
// at the second. Call release when the command is done.
//
// SIGHUP, when the terminal is closed, counts as a first signal and as no second:
// the shell and the kernel may both send it. Where nobody reads the output any more,
// writing it fails, and the process goes on.
func Interrupts(ctx context.Context, grace time.Duration, tell func(second bool)) (soft, hard context.Context, release func()) {
	pipe := make(chan os.Signal, 1)
	signal.Notify(pipe, syscall.SIGPIPE) // not ignored: programs that are started would inherit that
	soft, hard, done := interrupts(ctx, grace, tell)
	return soft, hard, func() {
		signal.Stop(pipe)
		done()
	}
}

func interrupts(ctx context.Context, grace time.Duration, tell func(second bool)) (soft, hard context.Context, release func()) {
	hard, stopNow := context.WithCancel(ctx)
	soft, stop := context.WithCancel(hard)
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // by nohup
		signal.Notify(signals, syscall.SIGHUP)
	}
	done := make(chan struct{})
	go func() {
		for n := 0; ; {
			select {
			case <-done:
				return
			case s := <-signals:
				if s == syscall.SIGHUP && n > 0 {
					continue
				}
			}
			n++
			switch n {
			case 1:
				stop()
				tell(false)
			case 2:
				stopNow()
				tell(true)
				time.AfterFunc(grace, func() { exit(Interrupted) })
			default:
				exit(Interrupted)
			}
		}
	}()
	var once sync.Once
	return soft, hard, func() {
		once.Do(func() {
			signal.Stop(signals)
			close(done)
			stop()
			stopNow()
		})
	}
}

// Interruptible is Interrupts for a command that changes nothing: the first
// signal ends the context, and after grace the process. tell is called once.
func Interruptible(ctx context.Context, grace time.Duration, tell func()) (context.Context, func()) {
	soft, _, release := interrupts(ctx, grace, func(second bool) {
		if !second {
			tell()
			time.AfterFunc(grace, func() { exit(Interrupted) })
		}
	})
	return soft, release
}

var (
	atExitMu sync.Mutex
	atExit   []func()
)

// AtExit registers f to be run before a forced end of the process, for example
// to give the terminal its cursor back.
func AtExit(f func()) {
	atExitMu.Lock()
	defer atExitMu.Unlock()
	atExit = append(atExit, f)
}

func exit(code int) {
	atExitMu.Lock()
	for _, f := range atExit {
		f()
	}
	os.Exit(code)
}
