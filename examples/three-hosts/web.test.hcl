# Run with "stowage test": plans only, no host is reached.

# What the hosts are like. Without this, 4 CPUs and 8 GiB.
host {
  cpus   = 2
  memory = "4Gi"
}

run "three_hosts" {
  command = plan
  assert {
    condition     = length(output.urls) == 3 && pod.web.replicas == 3
    error_message = "There should be one web server on each host."
  }
  assert {
    condition     = issensitive(output.token)
    error_message = "The token must not be shown."
  }
}

run "other_addresses" {
  command = plan
  variables {
    hosts = { a = "192.168.1.1", b = "192.168.1.2", c = "192.168.1.3" }
  }
  assert {
    condition     = contains(output.urls, "http://192.168.1.2:8080/")
    error_message = "The addresses are not those of var.hosts: ${join(", ", output.urls)}."
  }
}

# Each replica needs port 8080 of a host: two hosts are not enough for three.
run "two_hosts" {
  command = plan
  variables {
    hosts = { a = "192.168.1.1", b = "192.168.1.2" }
  }
  expect_failures = [pod.web]
}

# There is room for one of the two pods.
run "tiny_hosts" {
  command = plan
  host { memory = "40Mi" }
  expect_failures = [pod.worker]
}
