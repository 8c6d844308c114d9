package agent

import (
	"context"
	"slices"
	"time"
)

const (
	imageRest     = time.Hour // an image that nobody wants stays for so long
	imageInterval = time.Minute
	sweepInterval = time.Hour
)

// watchImages keeps the list of images, and lets replicas that lack one try
// again as soon as the store changes.
func (a *Agent) watchImages(ctx context.Context) {
	a.images.Watch(ctx, func() {
		refs, err := a.images.Refs(ctx)
		if err != nil {
			return // the next change or subscription brings it
		}
		slices.Sort(refs)
		a.mu.Lock()
		came := slices.ContainsFunc(refs, func(r string) bool { return !slices.Contains(a.refs, r) })
		changed := !slices.Equal(refs, a.refs)
		a.refs = refs
		a.mu.Unlock()
		if changed {
			a.report.poke()
		}
		if came {
			a.nudgeAll()
		}
	})
}

// collectImages removes images that have been unwanted for an hour. It removes
// nothing before a manager has said which images to keep.
func (a *Agent) collectImages(ctx context.Context) {
	for pause(ctx, imageInterval) {
		for _, ref := range a.unwanted(time.Now()) {
			if err := a.images.Delete(ctx, ref); err != nil {
				a.log.Warn("an unused image cannot be removed", "image", ref, "error", err)
			}
		}
	}
}

// unwanted returns the images whose time is over.
func (a *Agent) unwanted(now time.Time) []string {
	wanted := map[string]bool{}
	a.copy.mu.Lock()
	for _, ref := range a.copy.keep {
		wanted[ref] = true
	}
	for _, want := range a.copy.replicas {
		for _, c := range allContainers(want.Template) {
			wanted[c.Image] = true
		}
	}
	a.copy.mu.Unlock()
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.complete {
		return nil
	}
	var out []string
	for ref := range a.unused {
		if wanted[ref] || !slices.Contains(a.refs, ref) {
			delete(a.unused, ref)
		}
	}
	for _, ref := range a.refs {
		since, known := a.unused[ref]
		switch {
		case wanted[ref]:
		case !known:
			a.unused[ref] = now
		case now.Sub(since) >= imageRest:
			out = append(out, ref)
		}
	}
	return out
}

// sweepIntake removes what pushes that nobody went on with have left.
func (a *Agent) sweepIntake(ctx context.Context) {
	for {
		if err := a.intake.Sweep(ctx, time.Now()); err != nil {
			a.log.Debug("the parts of interrupted pushes cannot be looked at", "error", err)
		}
		if !pause(ctx, sweepInterval) {
			return
		}
	}
}
