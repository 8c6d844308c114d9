package store

import (
	"context"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/stowage-iac/stowage/api"
)

// Events are kept for between one and one and a half hours, the last
// eventsKept of each object, of at most maxEventObjects objects.
const (
	eventLease      = 90 * time.Minute
	eventLeaseRenew = 30 * time.Minute
	eventsKept      = 32
	maxEventObjects = 20000
	maxEventText    = 1024
)

// eventLog knows where the next event of each object goes: the oldest of its places.
type eventLog struct {
	mu      sync.Mutex
	next    map[string]int
	lease   clientv3.LeaseID
	granted time.Time
}

func newEventLog() *eventLog { return &eventLog{next: map[string]int{}} }

// Event records events; older ones of the same object make room.
func (s *Store) Event(ctx context.Context, events ...api.Event) error {
	l := s.events
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := s.eventLease(ctx); err != nil {
		return err
	}
	for _, e := range events {
		if validName(e.Object) != nil {
			return fmt.Errorf("%w: an event of %q", ErrInvalid, e.Object)
		}
		e.Reason, e.Message, e.Type = clip(e.Reason, 64), clip(e.Message, maxEventText), clip(e.Type, 16)
		n, err := s.eventPlace(ctx, e.Object)
		if err != nil {
			return err
		}
		if _, err := s.kv.Put(ctx, join("events", e.Object, strconv.Itoa(n)), string(encode(e)), clientv3.WithLease(l.lease)); err != nil {
			l.granted = time.Time{} // perhaps the lease is gone
			return unavailable(err)
		}
		l.next[e.Object] = (n + 1) % eventsKept
	}
	return nil
}

// eventLease makes a lease for the next half hour's events.
func (s *Store) eventLease(ctx context.Context) error {
	l := s.events
	if time.Since(l.granted) < eventLeaseRenew {
		return nil
	}
	lease, err := s.kv.Grant(ctx, int64(eventLease/time.Second))
	if err != nil {
		return unavailable(err)
	}
	l.lease, l.granted = lease.ID, time.Now()
	return nil
}

// eventPlace finds the place of an object's next event, after a restart behind its newest.
func (s *Store) eventPlace(ctx context.Context, object string) (int, error) {
	l := s.events
	if n, ok := l.next[object]; ok {
		return n, nil
	}
	if len(l.next) >= maxEventObjects {
		clear(l.next)
	}
	got, err := s.kv.Get(ctx, prefix("events", object), clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return 0, unavailable(err)
	}
	var newest int64
	n := 0
	for _, kv := range got.Kvs {
		if parts, ok := split(string(kv.Key)); ok && kv.ModRevision > newest {
			newest, n = kv.ModRevision, (slotOf(parts[2])+1)%eventsKept
		}
	}
	return max(n, 0), nil
}

// Events lists the events of an object and of its instances (pod.web has those
// of pod.web[2]), of every object for "", oldest first.
func (s *Store) Events(ctx context.Context, object string) ([]api.Event, error) {
	from := prefix("events")
	if object != "" {
		from = join("events", object)
	}
	got, err := s.kv.Get(ctx, from, clientv3.WithPrefix())
	if err != nil {
		return nil, unavailable(err)
	}
	sort.Slice(got.Kvs, func(i, j int) bool { return got.Kvs[i].ModRevision < got.Kvs[j].ModRevision })
	events := []api.Event{}
	for _, kv := range got.Kvs {
		var e api.Event
		if json.Unmarshal(kv.Value, &e) == nil && isInstance(e.Object, object) {
			events = append(events, e)
		}
	}
	return events, nil
}

func isInstance(name, of string) bool {
	rest, ok := strings.CutPrefix(name, of)
	return of == "" || ok && (rest == "" || rest[0] == '[')
}

// clip shortens to at most n bytes of valid text.
func clip(s string, n int) string {
	if len(s) > n {
		s = s[:n]
	}
	return strings.ToValidUTF8(s, "")
}
