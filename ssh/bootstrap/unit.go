package bootstrap

import "github.com/stowage-iac/stowage/api"

// unitText is the systemd unit of stowaged. It comes back after any number of
// crashes (no start limit), its end leaves containers and their shims alone
// (KillMode=process), and a start may take as long as a store without a quorum
// takes to get one (no start timeout).
const unitText = `[Unit]
Description=Stowage agent
Documentation=https://github.com/stowage-iac/stowage
After=network.target containerd.service
Wants=containerd.service
StartLimitIntervalSec=0

[Service]
Type=notify
NotifyAccess=main
ExecStart=` + api.Binary + ` run
Restart=always
RestartSec=200ms
TimeoutStartSec=infinity
TimeoutStopSec=30s
KillMode=process
Delegate=yes
TasksMax=infinity
LimitNOFILE=1048576
OOMScoreAdjust=-900

[Install]
WantedBy=multi-user.target
`
