// Package agent is the loop of one node: it takes assignments, keeps a copy on
// disk, and makes containerd run exactly those pods, healing what dies.
package agent
