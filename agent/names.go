package agent

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
)

// wellFormed is what containerd takes as part of an ID.
var wellFormed = regexp.MustCompile(`^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$`)

// safeName turns a name into one that file systems and containerd take, within
// limit characters. Different names give different results: a name that is
// changed gets a hash of itself.
func safeName(name string, limit int) string {
	if len(name) <= limit && wellFormed.MatchString(name) {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	hash := hex.EncodeToString(sum[:4])
	var b strings.Builder
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	kept := b.String()
	if len(kept) > limit-10 {
		kept = kept[:limit-10]
	}
	kept = strings.Trim(kept, "-")
	return strings.TrimPrefix(kept+"-x"+hash, "-")
}

// podID names a replica in paths, containerd and host names: web-2.
func podID(pod string, slot int) string { return fmt.Sprintf("%s-%d", safeName(pod, 32), slot) }

// containerID names one attempt to run a container of a replica: at most 76
// characters, containerd's limit.
func containerID(pod, container, revision string, attempt int) string {
	return fmt.Sprintf("%s.%s.%.6s.%d", pod, safeName(container, 20), revision, attempt)
}
