package planner

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/stowage-iac/stowage/lang"
	"github.com/stowage-iac/stowage/providers"
	"github.com/stowage-iac/stowage/providers/data"
)

// DataRequest asks for the data of one instance of a data block.
type DataRequest struct {
	Kind    data.Kind
	Address string
	Config  cty.Value // wholly known, with its marks
	Timeout time.Duration
	BaseDir string
	// Again reads what was read before in this run once more: what it depends on has
	// been applied since.
	Again bool
}

// DataReader reads the sources of one run, each block once however often it is
// asked for. Its Read is Input.Data and ApplyInput.Data. Safe for concurrent use.
type DataReader struct {
	outside  providers.Outside
	progress Display
	slots    chan struct{}

	mu     sync.Mutex
	codecs map[string]*codec // by kind
	known  map[string]*reading
}

// DataOptions of NewDataReader.
type DataOptions struct {
	Outside  providers.Outside
	Progress Display // of what takes long; may be nil
	// Parallelism is how many are read at once; default 10.
	Parallelism int
}

// Display is the part of a Progress that reading uses.
type Display interface {
	Start(op Operation)
	Done(op Operation, err bool)
}

type reading struct {
	done  chan struct{}
	value cty.Value
	diags hcl.Diagnostics
}

// NewDataReader begins a run.
func NewDataReader(o DataOptions) *DataReader {
	if o.Parallelism <= 0 {
		o.Parallelism = defaultParallelism
	}
	if o.Progress == nil {
		o.Progress = silent{}
	}
	return &DataReader{outside: o.Outside, progress: o.Progress, slots: make(chan struct{}, o.Parallelism),
		codecs: map[string]*codec{}, known: map[string]*reading{}}
}

// Read reads a source, or returns what it gave for the same arguments before.
func (r *DataReader) Read(ctx context.Context, req DataRequest) (cty.Value, hcl.Diagnostics) {
	key, err := r.key(req)
	if err != nil {
		return cty.NilVal, hcl.Diagnostics{errorf(nil, "Argument not readable", fmt.Sprintf("%s: %s.", req.Address, err))}
	}
	r.mu.Lock()
	known := r.known[key]
	if known == nil || req.Again {
		known = &reading{done: make(chan struct{})}
		r.known[key] = known
		r.mu.Unlock()
		known.value, known.diags = r.read(ctx, req)
		close(known.done)
		return known.value, known.diags
	}
	r.mu.Unlock()
	<-known.done
	return known.value, known.diags
}

// key tells reads apart: the block, and all of its arguments.
func (r *DataReader) key(req DataRequest) (string, error) {
	name := req.Kind.Name()
	r.mu.Lock()
	c := r.codecs[name]
	if c == nil {
		c = newCodec(req.Kind.Schema().ImpliedType())
		r.codecs[name] = c
	}
	r.mu.Unlock()
	config := req.Config
	if lang.IsEphemeral(config) { // the key is forgotten with the run
		config, _ = config.UnmarkDeep()
	}
	e, err := c.encode(config)
	return req.Address + "\x00" + string(e.JSON), err
}

// slow is after how long a read is shown.
const slow = 300 * time.Millisecond

func (r *DataReader) read(ctx context.Context, req DataRequest) (cty.Value, hcl.Diagnostics) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
	}
	var mu sync.Mutex
	shown, ended := false, false
	op := Operation{Address: req.Address, Verb: Refreshing, Started: time.Now()}
	show := time.AfterFunc(slow, func() {
		mu.Lock()
		defer mu.Unlock()
		if shown = !ended; shown {
			r.progress.Start(op)
		}
	})
	v, diags := req.Kind.Fetch(ctx, data.Request{Address: req.Address, Config: req.Config, BaseDir: req.BaseDir, Outside: r.outside}, req.Timeout)
	show.Stop()
	mu.Lock()
	defer mu.Unlock()
	if ended = true; shown {
		r.progress.Done(op, diags.HasErrors())
	}
	return v, diags
}

// dataJob is one read among several that are done at once.
type dataJob struct {
	req   DataRequest
	value cty.Value
	diags hcl.Diagnostics
}

// readAll reads all, as many at once as the reader allows. With few workers, a
// large number of quick reads costs no goroutine each.
func readAll(ctx context.Context, read func(context.Context, DataRequest) (cty.Value, hcl.Diagnostics), jobs []*dataJob) {
	const atOnce = 64
	var wg sync.WaitGroup
	next := make(chan *dataJob, runtime.GOMAXPROCS(0))
	for range min(atOnce, len(jobs)) {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range next {
				j.value, j.diags = read(ctx, j.req)
			}
		}()
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	wg.Wait()
}
