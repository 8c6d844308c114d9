// Package network gives pods their addresses on a node: the bridge, a network
// namespace per pod, host ports and masquerading in one nftables table.
package network
